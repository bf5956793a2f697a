"""What a call says to the machine instead of about its caller: orders to remember, forged turns, ranks of one's own.

Three questions are asked of a proposal. Is the turn it quotes, or the order that this turn goes on with, aimed at
the machine: then nothing in that turn is evidence. Does the fact give its caller a right that only a record of the
company can give: then the caller's word for it is none. Does it give its caller a rank: then it is kept as what
the caller says, never as what is so. A call in which somebody spoke to the machine keeps the rest to its agent.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from functools import lru_cache

from attrs import evolve

from elaaoms.extract.clauses import addressed_to_the_model
from elaaoms.memory import Fact
from elaaoms.webhooks import Conversation
from elaaoms.words import name_in

CONTAINED_IMPORTANCE = 6  # of what a call with an order to the machine leaves: below what is shared
CLAIMED_IMPORTANCE = 5


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# -- what is never said to a person ---------------------------------------------------------

_MARKUP = _any(
    r"\{\{|\}\}|\{%|\$\{|<[a-z/!|]|\|>|!\[|\]\(|```|\[/?(?:inst|system)|\{\s*\"|\"\s*:\s*[\[{\"\d]|https?://|www\.|'\s*\)?;|;\s*--",
    r"\b(?:drop table|delete from|insert into|union select)\b|\b[A-Za-z0-9+/]{12,}={1,2}(?!\w)",
    r"\b(?:hash hash|dièse dièse|raute raute|almohadilla almohadilla|dollar (?:brace|accolade|llave|klammer)|llave llave)\b",
    r"\b(?:(?:open|close|curly|angle) (?:brace|bracket)s?|open quote|close quote|end quote|unquote|less than\b.{0,40}\bgreater than|im[ _]start)\b",
    r"\b(?:geschweifte|spitze) klammern?|\banführungszeichen (?:unten|oben|auf|zu)\b|\b(?:abre|cierra|abrir|cerrar) (?:comillas|llaves?)\b",
    r"\b(?:ouvrez|fermez|ouvre|ferme) les (?:guillemets|accolades)\b|\bbarre verticale\b|\bentre (?:chevrons|comillas angulares)\b",
)
_ENCODED = _any(
    r"\brot[ -]?(?:13|thirteen|treize|trece|dreizehn)\b|\bbase[ -]?(?:64|sixty)|\b(?:decode|decrypt|décode[zr]?|decodifica|descifra|"
    r"entschlüssl?e?(?:le|ln)?)\b.{0,30}\b(?:obey|follow|execute|apply|befolge|obedece|applique|exécute)\b",
    r"\bobedece lo que pone\b|\bwrite down what it spells\b",
)
_ROLES = _any(
    r"\b(?:system|sistema|système|assistant|assistente?|asistente|developer|user|usuario|utilisateur|tool|function|agent|agente|"
    r"customer|client|cliente|kunde|kundin|human|admin)(?: speaking)?\s*(?::|\bcolon\b|\bdoppelpunkt\b|\bdos puntos\b|\bdeux[ -]points\b)",
    r"\b(?:tool|function)[ _]?(?:call|result|response)|\bwerkzeugergebnis|\b(?:resultado|respuesta) de la (?:herramienta|función)\b",
    r"\brésultat de l(?:'|’)outil\b|\b(?:call|use|invoke|run) the (?:tool|function)\b|\brufe? die funktion\b|\b(?:llama|usa) (?:a )?la (?:función|herramienta)\b",
    r"\b(?:appelle|utilise) (?:la fonction|l(?:'|’)outil)\b|\bsearch_memory\b|\b(?:post|get|http) request\b|\bwebhook\b|\bjson\b",
    r"\bdynamic variables?\b|\bdynamische variable|\bvariables? (?:dinámica|dynamique|d(?:'|’)accueil)|\b(?:change|set|ändere|cambia) (?:the |la |die )?variable\b",
)
_MACHINE = _any(
    r"\bprompts?\b|\b(?:language|extraction) model\b|\bLLM\b|\bchatbot\b|\bas an ai\b|\bsprachmodell\b|\bmodelo de lenguaje\b|\bmodèle de langage\b",
    r"\b(?:an das|al|au) (?:modell?|modelo|modèle)\b|\bthe extractor\b|\bdear (?:model|ai|machine|computer)\b",
    r"\b(?:end of|ende de[sr]|fin de la?) (?:the )?(?:transcript\w*|transkript\w*|prompt|conversaci[oó]n|anweisung\w*|instruc\w+)\b",
    r"\b(?:new|neue|nuevas?|nouvelles?) (?:instruc\w+|anweisung\w*|consignes|rules|regeln|reglas|règles)\b|\b(?:instructions|consignes|anweisungen|instrucciones)\s*[.:]",
    r"\b(?:importance|wichtigkeit|importancia)\b\W*(?:of |of level |von |de |colon |doppelpunkt |dos puntos |deux points )?(?:\d+|ten|nine|zehn|neun|diez|nueve|dix|neuf)\b",
    r"\bl(?:'|’)importance (?:dix|neuf|\d+)\b|\bconfidence (?:of )?(?:\d|one)|\b(?:category|kategorie|categoría|catégorie) (?:relational|factual|preference|relationelle?|relacional)\b",
    r"\bcatégorie relationnelle\b|\bshared (?:equals|is) true\b|\b(?:developer|maintenance|debug|god|test) ?mode\b|\b(?:wartungs|entwickler|test)modus\b",
    r"\bmodo (?:de )?(?:desarrollador|mantenimiento|prueba)\b|\bmode (?:maintenance|développeur|test)\b|\b(?:quote|fact|evidence) check\b|\bcomprobación de citas\b",
    r"\b(?:facts?|elements?|answer|return)\b.{0,20}\b(?:as (?:a|an) (?:single )?(?:empty )?list|empty list)\b|\bempty list\b|\bleere liste\b|\bliste vide\b|\blista (?:vacía|con un solo)\b",
    r"\b(?:output|return|emit) (?:one|a|the|these|this) (?:single )?facts?\b|\b(?:test|verified|established) facts?\b|\bas a fact about\b|\bcomo un dato\b",
    r"\b(?:every|each|all|any|jede[rsn]?|alle[nr]?|cada|todos? los|chaque|tous les) (?:new )?(?:summar(?:y|ies)|memor(?:y|ies)|zusammenfassung\w*|resúme?n\w*|résumés?|recuerdos?|souvenirs?)\b",
    r"\b(?:copy|kopiere?n?|copia|copie[zr]?) (?:this|diesen|esta|cette) (?:sentence|satz|frase|phrase)\b|\b(?:in|into|from|to|of) (?:your|the|our) memor(?:y|ies)\b|\bto memory\b",
    r"\b(?:in|aus) (?:dein|ihr)(?:em)? gedächtnis\b|\b(?:en|de|a) (?:tu|su|vuestra) memoria\b|\b(?:dans|de|à) (?:ta|votre) mémoire\b|\bjoin our (?:memories|records|files|profiles)\b",
    r"\bjunt(?:a|ad|e|en) nuestras fichas\b|\b(?:memory|memories) (?:software|system|of the (?:previous|last))\b|\b(?:programmed|built|created|developed|wrote) you\b|\bdich (?:programmiert|gebaut|entwickelt)\b",
    r"\b(?:te|le|os) (?:programé|creé|he (?:programado|creado))\b|\bprogrammé (?:ta|votre|cette) mémoire\b|\bt(?:'|’)ai (?:programmé|créé)\b|\bturn (?:zero|number|\d)\b",
    r"\b(?:the|half of the) (?:command|order)(?: is)? (?:ignore|forget|delete)|\b(?:first|second|other) half (?:of the (?:command|order)|is)\b|\bzweite hälfte (?:ist|lautet)\b|\bsegunda mitad es\b|\bmoitié de l(?:'|’)ordre\b|\bput the halves together\b|\bcolle les deux\b",
    r"\bhälfte des befehls\b|\bmitad de la orden\b|\b(?:becomes|is|will be) true\b.{0,60}\bthe caller is\b|\b(?:sentence|phrase|frase|satz)\b.{0,40}\b(?:becomes|será|sera|wird|devient) (?:true|verdad|wahr|vrai)",
    r"\b(?:remember|recall|store|save|record|note|merk dir|speicher\w*|recuerda|guarda|retiens|enregistre[zr]?)\b.{0,60}\b(?:memory|memories|gedächtnis|memoria|mémoire)\b",
)
_READERS = _any(
    r"\b(?:dear|hey|hello|hi|hallo|liebe[rs]?|hola|oye|bonjour|salut|cher|chère)\W+(?:assistant|asistente|assistent\w*|computer|ordenador|ordinateur|robot\w*|ai|machine|maschine|máquina|model|modell|modelo|modèle|ki|ia|bot)\b",
    r"\b(?:ki|ia|ai|bot|computer|künstliche intelligenz|inteligencia artificial|intelligence artificielle|(?:any|every|future|whatever|whichever) \w+|agents?)\b.{0,12}\b(?:that|who|die|der|que|qui|is)\b.{0,14}\b(?:reads?|reading|liest|lesen|lea|lee|lira|lit|processes|auswertet)\b",
    r"\b(?:an die|für die|para la|à l(?:'|’)|a la) ?(?:ki|ia|künstliche intelligenz|inteligencia artificial|intelligence artificielle)\b|\b(?:when|if|once) (?:this|it) (?:gets|is|has been) (?:summari[sz]ed|processed|transcribed|analy[sz]ed)\b|\bfuture (?:agents?|assistants?|conversations|calls)\b|\b(?:for|by|to) an ai\b|\bthe (?:software|computer|machine|robot) (?:should|must|has to|needs to)\b|\b(?:robot|computer), \w+|\bwer immer das\b.{0,20}\bliest\b|\bquien lea esto\b|\bquiconque lira\b",
    r"\b(?:zukünftige|künftige) (?:agenten|gespräche)\b|\b(?:futur[oa]s|próxim[oa]s) (?:agentes|conversaciones)\b|\b(?:futurs|prochains) (?:agents|échanges)\b|\b(?:so|make sure) (?:that )?(?:the )?(?:computer|system|machine|everyone|everybody|robot) (?:knows?|remembers?|stores?|learns?)\b",
    r"\bknowledge base\b|\bwissensbasis\b|\bbase de (?:conocimientos?|connaissances)\b|\b(?:permanent|long[- ]term) (?:memory|record|note)\b|\b(?:trust|access|clearance|security) level\b|\b(?:vertrauens|zugriffs|sicherheits)stufe\b|\bnivel de (?:confianza|acceso)\b|\bniveau (?:de confiance|d(?:'|’)accès)\b",
)
_RULES = r"(?:instruc\w*|anweis\w*|rules?|regeln|reglas?|règles?|consignes?|prompts?|guidelines|vorgaben|normas|checks?|verification|kontrollen|contrôles)"
_OVERRIDE = _any(
    rf"\b(?:ignor(?:e[zr]?|iere?n?|a|ad|en)|disregard|override|overwrite|overrule|bypass|vergiss|vergessen sie|olvid(?:a|ad|e)|oublie[zr]?|forget|missachte|pay no attention to|do(?:n(?:'|’)t| not) (?:follow|apply|obey)|beachte (?:ab jetzt |ab sofort )?keine|ne tiens pas compte|ne tenez pas compte|(?:haz|haga|hagan) caso omiso)\b.{{0,40}}\b{_RULES}\b",
    r"\b(?:forget|ignore|disregard|overwrite|vergiss|olvida|oublie[zr]?|ignora)\b.{0,30}\b(?:everything|all|whatever|what) (?:that )?(?:you|they|we)\b|\bvergiss alles\b",
    r"\b(?:olvida|ignora) (?:todo )?lo que\b|\boublie[zr]? (?:tout )?ce qu(?:e|'|’)|\b(?:delete|erase|replace|drop) (?:every|all|any) (?:memor|record|note)\w*|\bborra (?:todo|la alergia|lo mío)\b",
    r"\blösch\w* (?:alles|alle|jede)\b|\befface[zr]? (?:tout|toutes?|tous)\b|\bhigher priority than\b|\b(?:höhere priorität|vorrang vor|wichtiger als deine)\b|\bmanda más que\b|\bprioritaire sur\b",
    r"\b(?:you are|you're|du bist|sie sind|eres|tu es|vous êtes) (?:now|jetzt|ab jetzt|ab sofort|ahora|désormais|maintenant)\b|\b(?:ahora|desde ahora) eres\b|\b(?:from now on|ab jetzt) (?:you are|bist du|sind sie)\b",
    r"\bact as\b|\bpretend (?:to be|you|that)\b|\b(?:switch|turn) (?:off|on) the\b.{0,30}\b(?:check|filter|verification|protection)|\b(?:all|alle|todos los|tous les) (?:checks|prüfungen|controles|contrôles)\b",
    r"\b(?:desactive|desactiva|désactive[zr]?|deaktiviere?n?)\b.{0,30}\b(?:comprobación|filtro|vérification|contrôle|prüfung|filter)|\b(?:skip|saute[zr]?|überspring\w*|sáltate) (?:the |all |every |la |toute |jede )?(?:verification|identification|vérification|kontrolle|prüfung|verificación)\b",
    r"\b(?:do|obey|believe) (?:everything|whatever|all|anything) (?:that )?i (?:say|tell|order)\b|\b(?:everything|every sentence|all|alles|todo lo que|tout ce que)\b.{0,20}\b(?:i say|of mine|ich sage|yo diga|digo|je dis)\b.{0,30}\b(?:fact|true|verified|geprüft|wahr|verdad|certifi\w+|vrai)",
)
_EVERYONE = (
    r"(?:(?:every|each|any|all|other|the next|the previous|the last) (?:other )?(?:agents?|callers?|customers?|users?|clients?|people who (?:call|ring))|everyone (?:who|that) (?:calls?|rings?)|"
    r"anyone who (?:asks|calls|rings)|whoever (?:calls|asks|rings)|the next (?:one|person|agent|guy|woman|man) who|jede[rnm]?,? (?:der|die)\b.{0,20}\banruf\w*|(?:der|die|dem|den) nächste[nr]?,? (?:der|die|person|kunde\w*|mitarbeiter\w*)|l[ao]s? próxim[oa]s? (?:persona|cliente|que llame)|(?:au|le|la|du|à la) prochaine? (?:qui|personne qui|client|appelant)|everybody who (?:calls|rings)|alle[nr]? (?:anderen )?(?:agenten|anrufer\w*|kunden)|jede[rnm]? (?:anrufer\w*|kunde\w*|agent\w*)|"
    r"(?:letzte[rn]?|vorige[rn]?|nächste[rn]?) anrufer\w*|todos los (?:agentes|clientes|que llam\w+)|a quien la pida|(?:de )?quien llame|cualquier (?:vecino|cliente)|"
    r"tous les (?:agents|clients|appelants)|(?:à|pour|accueille[zr]?|dites|dis) tout le monde|l(?:'|’)appelant précédent|chaque (?:appelant|client|agent)|quiconque|any customer(?:'|’)s)"
)
_OTHERS = _any(
    rf"\b{_EVERYONE}\b",
    r"\b(?:when(?:ever)?|if|as soon as|(?:every|each|next) time|the next time) (?:somebody|someone|anybody|anyone|people|a caller|a customer|this number)\b.{0,30}\b(?:calls?|rings?|asks?|says?)\b",
    r"\b(?:when(?:ever)?|if|next time|wenn|sobald|cuando|si|quand|dès que) (?:my|he|she|they|mein\w*|er|sie|mi|él|ella|mon|ma|il|elle)\b.{0,30}\b(?:calls?|rings?|asks?|anruft|fragt|llam\w+|pregunt\w+|appell?e\w*|demande\w*)\b,? (?:then )?(?:say|tell|read|give|sag\w*|lies|lesen|gib|di|dile|lee|dis|dites|donne\w*)\b",
    r"\b(?:wenn|sobald|falls|jedes mal wenn)\b.{0,30}\b(?:jemand|irgendwer)\b.{0,30}\b(?:anruft|fragt|sagt)\b",
    r"\b(?:si|cuando|cada vez que|en cuanto|la próxima vez que) (?:alguien|un cliente|llamen)\b.{0,30}\b(?:llam\w+|pregunt\w+|dig\w+|dice|pid\w+)\b",
    r"\b(?:quand|si|dès que|chaque fois que?|la prochaine fois qu(?:e|'|’)?) ?(?:quelqu(?:'|’)un|on|un client)\b.{0,30}\b(?:appell?e\w*|demande\w*|di(?:t|ra))\b",
    r"\b(?:say|sag|di|dis)\b.{0,30}\b(?:every time|immer wenn|cada vez|chaque fois|wenn \w+ anruft)\b",
    r"\b(?:you|du|sie) (?:answer|reply to|respond to|read|tell|say)\b.{0,20}\b(?:every|all|them|whole)\b|\brespond(?:e|a) a todo\b|\bréponds? à tout\b",
    r"\b(?:greet|begrü(?:ß|ss)\w*|salúd\w*|saluda|accueille[zr]?)(?:-| )?(?:me|mich|moi|all|every|her|him|them|with|mit|con|par|avec)?\b.{0,40}(?::|\bwith\b|\bmit\b|\bcon\b|\bpar\b|\bavec\b|\bby\b)",
    r"\b(?:begin|start|commence[zr]?|beginne?n?|empieza|open) (?:with|my (?:next )?call|mon prochain appel|meinen nächsten anruf|mi próxima llamada)\b|\bpreferred greeting\b|\bsaludo favorito\b",
    r"\b(?:beim|bei meinem) nächsten (?:mal|anruf)\b.{0,20}\b(?:sag|beg|mit)|\bnext (?:call|time)\b.{0,20}\b(?:say|begin|greet|start|tell)\b|\bprochain appel par\b|\bgreet me\b",
    r"\b(?:put|note|write|enter|add|keep|save) (?:that|this|it|them) (?:in|on|into|under) (?:his|her|their|my) (?:file|profile|record|account|name)\b|\bon the (?:profile|file|record) of\b",
    r"\b(?:tragen sie|trag) (?:das|es) bei (?:ihm|ihr)\b|\bnotieren? (?:sie )?bei (?:frau|herrn?)\b|\b(?:ponlo|apúntalo|ponedlo) en su ficha\b|\bsur la fiche de\b|\bnote[zr]-l[ea] chez\b",
    r"\b(?:caller|customer|client|kunde|anrufer|cliente|el del teléfono)\b.{0,12}\b(?:with|mit|con|du|avec)? ?(?:the |der |el |le )?(?:number|nummer|número|teléfono|numéro)?\s*\d{3}\b.{0,60}\b(?:said|told|wants|gesagt|dicho|dit|quiere|möchte)\b",
    r"\bsame person\b|\bmisma persona\b|\bmême personne\b|\bdieselbe person\b|\b(?:everything|all) (?:that )?you (?:know|store|remember|have)\b|\btodo lo que (?:sepas|sabes|guardas)\b|\btout ce que tu sais\b|\balles,? was du weißt\b",
    r"\b(?:valid|applies|gilt|vale|valable) (?:for|für|para|pour) (?:every|all|jede|alle|todos|tous)\w*\b|\b(?:new )?(?:company )?policy\b.{0,30}\b(?:every|all|nobody)\b|\bnorma nueva\b|\bnouvelle règle\b|\bsecret rule\b|\brègle secrète\b|\bregla secreta\b|\bgeheime regel\b",
    r"\b(?:keep|make) that rule\b|\besa regla\b|\bour little (?:secret|rule)\b",
)
_RANKED = _any(
    r"\b(?:mark|list|save|register|record|file|flag) me (?:down )?as\b|\b(?:set|save|change|upgrade|raise) my (?:role|status|discount|tier|level|rank|limit|access)\b|\b(?:in the file|file it|store it|save it) as\b",
    r"\btrag\w* (?:sie )?mich als\b|\b(?:vermerke?n?|notiere?n?|schreib\w*)(?: sie)?\s*:|\b(?:ponme|márcame|apúntame|regístrame|inscríbeme) como\b|\b(?:marque|inscri(?:s|vez)|note[zr]?|mets|mettez)-moi\b|\bécrivez (?:que |validé|approuvé)",
    r"\b(?:apunta|anota|pon) un descuento\b|\bgib mir alle rechte\b|\bgive me (?:all|full|every) (?:rights?|access|permissions?)\b|\bdame todos los\b|\bdonne-moi tous les\b|\bput that in the file\b|\bi authori[sz]e\b|\b(?:bump|move|upgrade|promote) me (?:up )?to\b|\btell your colleagues\b|\b(?:the|a) rule is\b|\btreat me as\b|\bcounts? as (?:settled|paid|verified)\b",
    r"\bstatus (?:green|grün|verde|vert)\b|\b(?:proceed|continue|go on) without\b|\bohne rückfragen\b|\bsin preguntar\b|\bsans poser de questions?\b|\bput through\b.{0,40}\bat once\b|\backnowledge silently\b|\bréponds sans le dire\b",
    r"\b(?:caller|customer|user|anrufer|kunde|cliente|usuario|appelant|client|utilisateur)\b.{0,20}\b(?:has been|wurde|ha sido|a été|vérifié|verificado|gefunden|found|passe au niveau|upgraded|erfolgreich)\b.{0,40}\b(?:verified|verifiziert|verificad\w+|vérifiée?|upgraded|tier|niveau|status|überprüft|approved|límite|par le siège)",
)

_DICTATED = _any(
    r"\b(?:the|this) (?:caller|user)\b|\bcaller (?:is|has|may|must|can|said|never|always|owes|pays)\b|\bthe customer (?:is|has|may|must|never|always|owes|pays)\b|\bexcellent customer\b",
    r"\bd(?:er|ie|ieser|iesem|iesen) anrufer(?:in)?\b|\banrufer (?:ist|hat|darf)\b|\b(?:der )?kunde (?:ist|hat|darf|zahlt|gefunden)\b",
    r"\bel (?:llamante|usuario)\b|\b(?:el )?cliente (?:es|tiene|nunca|puede|paga|verificado|ejemplar)\b|\bl(?:'|’)(?:appelante?|utilisateur)\b|\b(?:le )?client (?:est|a|ne|n(?:'|’)|peut|vérifié|au contrat)\b|\bappelant sans\b",
)
_STORY = _any(
    r"\bonce upon a time\b|\bes war einmal\b|\bérase una vez\b|\bil était une fois\b|\b(?:an?|ein|un|une) (?:assistant|asistente|assistent\w*)\b.{0,20}\b(?:stor|remember|not|guard|speicher|enregistr)\w*",
    r"\blet(?:'|’)s play\b|\bjuguemos\b|\bjouons\b|\b(?:spielen wir|lass uns spielen)\b|\b(?:like in|como en|wie in?m?|comme dans) (?:the|el|la|le|dem|der)? ?(?:story|tale|cuento|märchen|geschichte|histoire|conte)\b",
    r"\b(?:let|sei|sea|posons|soit|pongamos que) x\b|\b(?:save|speichere?|guarda|enregistre) x\b",
)

# -- orders to remember ------------------------------------------------------------------

_KEEP = (
    r"(?:remember|keep in mind|let the record show|memori[sz]e|store|stores|save|keep|record|note|write(?: (?:it|that|this))? down|write|put (?:in|down)|log|register|merk(?:e)?(?: dir| euch| es)?|merken sie sich|halte[nt]? sie fest|festhalten|"
    r"speicher\w*|abspeichern|notier\w*|notieren sie|vermerk\w*|schreib\w*|trag(?:e|en)?|recuerd[ae]|guard[ae]\w*|guárd\w+|memoriza|apunt[ae]|apúnt\w+|anot[ae]|anót\w+|"
    r"registra|deja registrado|que quede constancia|tome nota|regístr\w+|pon|retiens|retenez|inscrivez|considérez|souviens-toi|enregistre[zr]?|mémorise[zr]?|note[zr]?|écri[st]\w*|garde[zr]?|marque[zr]?)"
)
_ORDER = re.compile(rf"\b{_KEEP}\b", re.IGNORECASE)
_MUST = _any(
    rf"\b(?:you|sie|du|usted|vous|tu|assistant\w*|asistente|agents?|agentes?|agenten)\b.{{0,14}}\b(?:must|have to|need to|are (?:obliged|required|ordered) to|should|müssen|musst|muss|debes?|debéis|tienes? que|dev(?:ez|iez|ais|ait|rait)|doi(?:t|s)|always)\b.{{0,20}}\b{_KEEP}\b",
    r"\b(?:must|muss|debe|doit|müssen)\b.{0,14}\b(?:note|remember|store|record|vermerken|speichern|notieren|anotar|guardar|noter|le noter|enregistrer|retenir)\b|\bla ley te obliga a\b|\bobliged to (?:remember|store|note)\b|\bla loi t(?:'|’)oblige\b|\bgesetzlich verpflichtet\b",
    r"\byou must (?:hand|give|tell|let|do)\b|\bdebéis (?:darme|decirme)\b|\byou have to do everything\b|\bmust be put through\b|\byou (?:will|shall|must) (?:now |always |never )?(?:address|comply|obey|answer|call me your)\b|\bcomply with (?:every|all|my)\b|\b(?:tenéis|tienen|tienes|debéis|deben) que\b.{0,20}\bsiempre\b|\b(?:müsst ihr|ihr müsst|müssen sie) (?:alle|immer)\b|\bvous devez tous\b",
)
_REFUSES = _any(
    r"\bi (?:can(?:'|’)?t|cannot|won(?:'|’)t|don(?:'|’)t|didn(?:'|’)t|haven(?:'|’)t|(?:wi|cou|wou)ld not|(?:'|’)d rather not|see no|am not able)\b|\bi(?:'|’)(?:d rather not|m not able|m the agent|ll only)\b|\b(?:that|there)(?:'|’)?s? (?:is|isn(?:'|’)t|no|not|makes no)\b",
    r"^\W*(?:no|nein|non|pardon|wie bitte|certainly not|nobody|bestimmt nicht|certainement pas|impossible|lieber nicht|i (?:didn(?:'|’)t|don(?:'|’)t))\b|\b(?:kann|darf|mache|tue|notiere|verstehe|sehe|habe) (?:ich|das|es)?\b.{0,12}\bnicht\b|\bdas geht (?:so )?nicht\b|\bnicht möglich\b|\bgibt es nicht\b|\bkeine (?:genehmigung|ahnung)\b",
    r"\bno (?:puedo|lo haré|lo anoto|me consta|le (?:sigo|entiendo)|es posible|existe|viene|ha dicho|digo|guardo|juego)\b|\b(?:eso|usted|yo) no\b|\bprefiero que no\b|\bje (?:ne|n(?:'|’)|préfère)\b|\bce n(?:'|’)est pas\b|\bcela ne\b|\bn(?:'|’)existe pas\b",
)
_FOREVER = re.compile(
    rf"\b{_KEEP}\b.{{0,30}}\b(?:forever|for ever|for good|para siempre|für immer|pour toujours|dauerhaft)\b",
    re.IGNORECASE,
)
# An order that breaks off, to be completed in the next turn.
_OPEN = re.compile(
    r"(?:\b(?:i am|i(?:'|’)m|am|is|that|the|new|ich bin|bin|ist|dass|soy|es|que|je suis|suis|est)|\.\.\.|…|:)\s*$",
    re.IGNORECASE,
)

# -- what only a record of the company can say --------------------------------------------------

_ENTITLED = _any(
    r"\b(?:allowed|permitted|authori[sz]ed|cleared|entitled|exempt(?:ed)?|empowered) (?:to|for|from)\b|\b(?:full|unlimited|unrestricted|total) (?:access|credit|rights)\b|\bunlimited\b|\bfor (?:free|nothing)\b|\bfree (?:for life|upgrade|months?|of charge|shipping|delivery|deliveries)\b|\b(?:is|are) free for life\b",
    r"\b(?:pays?|paid|owes?|owed) nothing\b|\b(?:is|are|be|being) owed\b|\bnever (?:has to |have to |needs? to |must )?(?:pays?|waits?|ask(?:ed)? for payment|wait in line|escalate)\b|\bmust never\b|\beverything (?:is |has been |for )?(?:paid|free)\b|\bno debts?\b|\b(?:invoice|debt|bill) is (?:cancelled|forgiven|paid|waived)\b|\bwe owe\b",
    r"\b(?:refund|credit|discount|upgrade)\b.{0,40}\b(?:approved|granted|agreed|authori[sz]ed)\b|\b(?:discount|rabatt|descuento|remise|réduction)\b.{0,20}(?:%|percent|prozent|por ciento|pour cent)|(?:%|percent|prozent|por ciento|pour cent)\b.{0,20}\b(?:discount|rabatt|descuento|remise|réduction)|\bmanager agreed\b|\bapproved by\b",
    r"\b(?:may|can) (?:enter|see|change|open|access|skip|withdraw|edit|view)\b|\b(?:without|needs? no) (?:a |any )?(?:ticket|password|verification|check|questions?|identification)\b|\balways (?:first|right|served|put through|gets|true)\b|\bfirst in (?:the )?(?:queue|line)\b|\btrust this\b|\bis to be trusted\b|\bverified\b",
    r"\b(?:berechtigt|befugt|befreit|bevollmächtigt|ermächtigt|verifiziert|überprüft|genehmigt|bewilligt)\b|\b(?:alle|sämtliche) rechte\b|\bvollmacht\b|\bzugriff auf\b|\bvoll(?:en|er)? zugriff\b|\bschlüsselgewalt\b|\bsonder\w*recht\b|\b(?:nie|niemals|nichts?)\b.{0,20}\b(?:bezahlen|zahlen|zahlt|schuld\w*)\b|\bgratis\w*\b|\bkostenlos\w*\b|\bdarf\b.{0,40}\b(?:sehen|ändern|einsehen|betreten|abheben|ohne)\b|\bsehen darf\b|\bohne passwort\b|\bzusteht\b|\bhalbiert\b|\bzu vertrauen\b|\bmahnungen\b|\bhausverbot\b|\bzugestimmt\b|\bgutschrift\b|\bdurchgestellt\b",
    r"\b(?:autorizad\w+|habilitad\w+|exent\w+|verificad\w+|aprobad\w+) (?:a|para|de|por)?|\btodo pagado\b|\bacceso total\b|\bsin (?:tope|límite|límites|verificación|identificarse)\b|\b(?:nunca|no) (?:paga|espera|debe|debo|esperar|pedirle)\b|\bno (?:debe|debo) nada\b|\bperdonad\w+\b|\bgratis\b|\bde por vida\b|\bprimero en la cola\b|\bcliente ejemplar\b|\bpuede (?:ver|cambiar|entrar|retirar|abrir)\b",
    r"\b(?:autorisé|habilité|exonéré|exempté|vérifié|validé|approuvé|accordé|dispensé)e?s?\b|\b(?:a|ai|ait) le droit\b|\bne (?:paie|paye|doit|dois) (?:jamais|(?:plus )?rien|pas payer)\b|\bgratuite?s?\b|\bà vie\b|\b(?:sans|aucune) (?:dettes?|ticket|limite|vérification)\b|\billimité\w*\b|\baccès (?:total|illimité|à tout)\b|\btoujours (?:servi|raison)\b|\bpeut (?:voir|modifier|entrer|ouvrir|retirer)\b|\bfaire confiance\b",
)
_GRANTED = _any(
    r"\b(?:gets?|receives?|has|is owed|given|granted|bekommt|erhält|hat|kriegt|tiene|recibe|obtiene|a|reçoit|obtient)\b\s+(?:\w+\s+){0,2}?(?:discounts?|half off|vouchers?|upgrades?|rabatt\w*|gutschein\w*|vorrang|descuentos?|vales?|remises?|réductions?|priorité|priority)\b",
    r"\bpre-?(?:approved|verified|paid)\b|\bprépayée?s?\b|\bmaster key\b|\b(?:top|highest) tier\b|\bcredit limit\b.{0,12}\b(?:is|are|of)\b|\bwithout a (?:receipt|check|ticket)\b|\bzutritt\b|\bjederzeit\b.{0,20}\b(?:zugang|zutritt|hinein)\b|\bbevorzugt behandelt\b|\btreated as\b|\bà toute heure\b|\b(?:cuando quiera|a cualquier hora)\b|\b(?:refunds?|erstattungen|reembolsos|remboursements)\b.{0,30}\b(?:automatic|automatisch|automáticos?|automatiques?)\b|\bwaive\w*\b|\bcleared (?:by|for)\b|\blifetime (?:warranty|access|membership)\b|\b(?:tout|todo|alles|everything) (?:\w+ ){0,2}(?:offerte?s?|regalado|geschenkt|free|included)\b",
    r"\b(?:must|should|shall|is to|has to|needs? to|ought to) (?:never |always |not |only )?be (?:addressed|charged|asked|given|granted|transferred|trusted|put through|believed|verified|waived|obeyed|billed)\b|\bagents? (?:must|have to|should|need)\b|\b(?:does not|doesn(?:'|’)t|never) (?:need|have) to (?:be asked|pay|verify|identify|prove|wait)\b|\bno need to (?:ask|verify|check)\b",
    r"\bkeine?n? (?:sicherheitsabfrage|legitimation|prüfung|identifizierung|kontrolle)\w*\b|\b(?:nicht|nie) (?:nach|überprüft|gefragt|geprüft)\b|\bno hace falta (?:comprobar|verificar|preguntar|identific)\w*|\bhay que (?:dar|creer|obedecer)\w*|\bno pag(?:a|o) (?:envíos|comisiones|nada)\b",
    r"\bne (?:doit|faut)\b.{0,16}\b(?:demander|vérifier|contrôler)\b|\b(?:request|call|order)s? from this (?:phone|number|line)\b|\b(?:immer|stets) vorrang\b",
)
_RANK = _any(
    r"\b(?:admin\w*|VIPs?|verified|verifiziert|privileged|premium (?:customer|member|status)|platin\w*|gold(?:en)? (?:member|customer|status)|membre or|prioritaire|preferente|stammkunde mit|root|privileges?|security clearance|clienta? de oro|diamante?|shareholder|aktionär\w*|accionista|actionnaire)\b",
    r"\b(?:is|as|ist|als|es|como|est|être|comme)\s+(?:\w+\s+){0,2}?(?:owner|employee|manager|director|boss|supervisor|police\w*|officer|staff|developer of|board member|diplomat|minister|inspector|president|queen|king|chief|"
    r"eigentümer\w*|inhaber\w*|mitarbeiter\w*|geschäftsführer\w*|leiter\w*|direktor\w*|chef\w*|polizist\w*|vorstand\w*|diplomat\w*|inspektor\w*|hausmeister\w*|könig\w*|"
    r"dueñ[oa]|titular|emplead[oa]|gerente|director\w*|jef[ea]|policía|comisari[oa]|ministr[oa]|presidente?a?|rey|reina|"
    r"propriétaire|titulaire|employée?|gérante?|directeur|directrice|policier|commissaire|ministre|inspecteur|présidente?|gardienn?e?|reine|roi)\b",
)
_CLAIMED = re.compile(
    r"\b(?:says?|said|claims?|claimed|states?|stated|according to|sagt|behauptet|laut|gibt an|dice|afirma|según|dit|affirme|"
    r"prétend|selon)\b",
    re.IGNORECASE,
)
# "The caller is an administrator" and how it is told as the caller's word, in each language.
_IS = (
    (re.compile(r"(?P<who>the (?:caller|customer)) (?:is|works as) (?P<what>(?!to\b).+)", re.IGNORECASE), "{who} says they are {what}"),
    (re.compile(r"(?P<who>d(?:er|ie) (?:anrufer(?:in)?|kunde|kundin|anrufende person)) ist (?P<what>[^.]+)\.?", re.IGNORECASE), "{who} gibt an, {what} zu sein."),
    (re.compile(r"(?P<who>(?:el|la) (?:cliente?a?|llamante)|quien llama|la persona que llama) es (?P<what>.+)", re.IGNORECASE), "{who} dice que es {what}"),
    (re.compile(r"(?P<who>l(?:'|’)appelante?|l[ea] cliente?) est (?P<what>.+)", re.IGNORECASE), "{who} dit être {what}"),
)  # fmt: skip
_COMMANDS = re.compile(
    r"\W*(?:please|do not|don(?:'|’)t|always|never|you (?:must|should)|ignore|treat|transfer|tell|greet|remember|give|grant|mark|set|skip|save|store|note that|note:|"
    r"say|answer|read|let the|allow|put|send|trust|from now on|whenever|if (?:anyone|someone|somebody)|when(?:ever)? (?:someone|somebody|anyone)|next time,|copy|delete|forget|call the|switch|begin|start|apologi[sz]e|address|every (?:agent|caller|assistant)|all (?:agents|callers)|"
    r"bitte|immer|niemals|nie|gib|geben sie|sag|sagen sie|begrüß\w*|merk\w*|speicher\w*|lies|lesen sie|ab (?:jetzt|sofort|heute)|jede[rn]? (?:agent|anrufer)|alle (?:agenten|anrufer)|vertrau\w*|behandle|überspring\w*|"
    r"por favor|siempre|nunca|hay que|da|dé|dile|diga|saluda|salúd\w*|guarda|recuerda|desde (?:hoy|ahora)|si alguien|todos los|trata|confía|borra|"
    r"veuillez|s(?:'|’)il vous plaît|toujours|jamais|ne jamais|donne[zr]?|dis|dites|accueill\w*|note[zr]?|retiens|désormais|à partir|si quelqu|tous les|traite[zr]?|il faut)\b",
    re.IGNORECASE,
)
_SECRET = _any(
    r"\b(?:pass ?words?|pass ?codes?|pin|contraseñas?|claves?|passwörter|passwort|kennwort|mots? de passe|code (?:de (?:la )?carte|secret))\b"
)
_NAMED = _any(
    r"\b(?:my name is|i(?:'|’)m called|ich hei(?:ß|ss)e|mein name ist|me llamo|mi nombre es|je m(?:'|’)appelle|mon nom est)\b"
)
_DOMAIN = re.compile(
    r"\b(?:dot|punkt|punto|point)\s+(?:com|net|org|de|es|fr|info)\b|\.\w{2,4}\b", re.IGNORECASE
)
# What every agent should know of a caller: what may harm them, and how to name and reach them.
_SHAREABLE = _any(
    r"allerg|asthm|diabet|epilep|insulin|penicil|intoleran|anaphyla|pacemaker|herz|heart|cœur|corazón|medic|medik|médic|doctor|arzt|ulcer|health|gesund|salud|santé|pregnan|schwanger|embaraz|enceinte",
    r"wheelchair|rollstuhl|silla de ruedas|fauteuil roulant|deaf|blind|hearing|hörig|sord|sourd|aveugle|cieg|stairs|treppe|escalera|escalier|crutch|krück|muleta|béquille",
    r"\b(?:name[ds]?|called|calls?|heißt|nombre|llam\w+|appell?e\w*|nomme\w*|e-?mail|phone|telefon|teléfono|téléphone|whatsapp|sms|text(?:ed)?|contact\w*|kontakt\w*|reach\w*|morning\w*|evening\w*)\b",
    r"\b(?:cannot|can(?:'|’)t|must not|may not|darf kein\w*|verträgt|no puede|ne peut pas|ne doit pas) (?:\w+ ){0,2}?(?:have|eat|take|drink|essen|nehmen|comer|tomar|manger|prendre|do)\b",
)
_STOP = re.compile(r"[.!?…]+(?:\s+|$)")
_LETTERS = re.compile(
    r"\b[^\W\d_]\b(?:[\s,.-]+(?:(?:space|espacio|espace|leerzeichen|de \w+)[\s,.-]+)?\b[^\W\d_]\b){4,}",
    re.IGNORECASE,
)
_SPELLED_ORDER = re.compile(r"ignor|forget|vergiss|olvida|oublie|delete|system|obey", re.IGNORECASE)


@lru_cache(maxsize=1024)
def to_the_model(text: str) -> bool:
    """Whether a text gives orders to a language model or carries its markup."""
    aimed = any(
        pattern.search(text)
        for pattern in (
            _MARKUP,
            _ENCODED,
            _ROLES,
            _MACHINE,
            _OVERRIDE,
            _OTHERS,
            _RANKED,
            _MUST,
            _READERS,
            _STORY,
            _FOREVER,
        )
    )
    return aimed or addressed_to_the_model(text) or _hidden(text)


def _hidden(text: str) -> bool:
    """Whether an order is spelled out, or stands in it by rot13."""
    if any(_SPELLED_ORDER.search(re.sub(r"[\W\d_]", "", run[0])) for run in _LETTERS.finditer(text)):
        return True
    return _OVERRIDE.search(codecs.encode(text, "rot13")) is not None


def aimed(conversation: Conversation, turn: int, quote: str) -> bool:
    """Whether what the caller says in a turn, as far as the sentence of the quote, is aimed at the machine: by
    itself, or as the rest of an order begun in the turn before."""
    said = _so_far(conversation.turns[turn].text, quote)
    if (
        to_the_model(said)
        or _DICTATED.search(said)
        or _breaks_off(said)
        or _ordered_in_vain(conversation, turn, quote)
    ):
        return True
    before = _previous(conversation, turn)
    return before is not None and _breaks_off(conversation.turns[before].text)


def _breaks_off(said: str) -> bool:
    """Whether an order, or a text for the machine, waits to be completed."""
    return _OPEN.search(said) is not None and (to_the_model(said) or _ORDER.search(said) is not None)


def _ordered_in_vain(conversation: Conversation, turn: int, quote: str) -> bool:
    """Whether the quote is, or follows, an order to keep something that the agent will not keep: nobody refuses
    to note an allergy."""
    said = conversation.turns[turn].text
    at = said.casefold().find(quote.strip().casefold())
    if not _ORDER.search(said if at < 0 else said[: at + len(quote.strip())]):
        return False
    answer = next((t for t in conversation.turns[turn + 1 :] if t.text), None)
    return answer is not None and answer.role == "agent" and _REFUSES.search(answer.text) is not None


def _previous(conversation: Conversation, turn: int) -> int | None:
    """The caller's turn before this one."""
    return next(
        (
            n
            for n in range(turn - 1, -1, -1)
            if conversation.turns[n].role == "user" and conversation.turns[n].text
        ),
        None,
    )


def objection(conversation: Conversation, fact: Fact) -> str | None:
    """Why a proposal is not to be believed: what it says or what it quotes is meant for the machine, or it gives
    the caller a right on nobody's word but theirs."""
    if _COMMANDS.match(fact.content):
        return "a command"
    turn = conversation.turns[fact.turn]
    if to_the_model(fact.content):
        return "addressed to the model"
    if turn.role != "user":
        return "addressed to the model" if to_the_model(turn.text) else None
    if aimed(conversation, fact.turn, fact.quote):
        return "addressed to the model"
    sentence = _sentence(turn.text, fact.quote)
    claimed = _CLAIMED.search(fact.content) is not None
    if (_ENTITLED.search(fact.content) or _GRANTED.search(fact.content)) and not claimed:
        return "self-declared"
    if (_ENTITLED.search(sentence) or _GRANTED.search(sentence)) and _ORDER.search(sentence):
        return "self-declared"
    if _RANK.search(fact.content) and not claimed:
        return "self-declared"
    if _SECRET.search(sentence) and _ORDER.search(sentence):
        return "addressed to the model"
    if len(name_in(fact.content).split()) > 4 or (_NAMED.search(sentence) and _DOMAIN.search(sentence)):
        return "not a name"
    return None


def _so_far(said: str, quote: str) -> str:
    """A turn up to the end of the sentence that holds the quote."""
    at = max(0, said.casefold().find(quote.strip().casefold()))
    end = _STOP.search(said, min(len(said), at + max(1, len(quote.strip()) - 1)))
    return said[: end.end() if end else len(said)]


def _sentence(said: str, quote: str) -> str:
    """The sentence of a turn that holds the quote."""
    at = max(0, said.casefold().find(quote.strip().casefold()))
    start = max((match.end() for match in _STOP.finditer(said, 0, at)), default=0)
    return _so_far(said, quote)[start:]


def as_claimed(fact: Fact) -> Fact:
    """A rank that the caller gives themselves as what they say, never as what is so."""
    if not _RANK.search(fact.content) or _CLAIMED.search(fact.content):
        return fact
    for pattern, told in _IS:
        if match := pattern.fullmatch(fact.content):
            content = told.format(**match.groupdict())
            return evolve(fact, content=content, importance=min(fact.importance, CLAIMED_IMPORTANCE))
    return fact


def contained(conversation: Conversation, facts: Sequence[Fact]) -> tuple[Fact, ...]:
    """Keep to its agent, whatever a model rates it, what may have been planted: all that a call leaves in which
    somebody spoke to the machine, and what a caller asks to be kept that is neither about their health nor how
    to name or reach them."""
    turns = enumerate(conversation.turns)
    spoken_to = any(turn.role == "user" and aimed(conversation, number, turn.text) for number, turn in turns)

    def doubted(fact: Fact) -> bool:
        said = _sentence(conversation.turns[fact.turn].text, fact.quote)
        return spoken_to or (_ORDER.search(said) is not None and not _SHAREABLE.search(fact.content))

    return tuple(
        evolve(fact, importance=min(fact.importance, CONTAINED_IMPORTANCE)) if doubted(fact) else fact
        for fact in facts
    )
