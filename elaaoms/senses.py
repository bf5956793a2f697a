"""Closed lists, in English, German, Spanish and French: what excludes each other, what says the same, what says no."""

from __future__ import annotations

from functools import lru_cache

# A class begins with its name, a word is a thing of the class; synonyms are joined by a bar. What is of one class
# excludes each other: who sits at the window does not sit on the aisle.
_CONTRASTS = """
part_of_day: morning|mornings|morgens|vormittag|vormittags|manana|mananas|matin|matinee|mornin
    afternoon|afternoons|nachmittag|nachmittags|tarde|tardes|apres-midi evening|evenings|abend|abends|soir|soiree
    night|nights|nachts|nacht|noche|noches|nuit
relative_day: today|heute|hoy|aujourd'hui|aujourd tomorrow|morgen|manana|demain yesterday|gestern|ayer|hier
    tonight|anoche overmorrow|ubermorgen
period: daily|day|taglich|tag|dia|jour|quotidien weekly|week|weeks|wochentlich|woche|semana|semaine
    monthly|month|months|monatlich|monat|mes|mois|mensual|mensuel
    yearly|annual|annually|year|years|jahrlich|jahr|ano|anual|annee|annuel quarterly
last_next: last|letzte|letzten|letztes|letzter|pasado|pasada|dernier|derniere
    next|coming|nachste|nachsten|nachster|proximo|proxima|prochain|prochaine
season: spring|fruhling|fruhjahr|primavera|printemps summer|sommer|verano|ete autumn|fall|herbst|otono|automne
    winter|invierno|hiver
meal: breakfast|fruhstuck|desayuno lunch|mittagessen|almuerzo|comida|dejeuner dinner|supper|abendessen|cena|diner
feast: christmas|weihnachten|weihnachts|navidad|noel easter|ostern|pascua|paques year's|silvester|nochevieja
side: left|left-hand|linke|links|linken|izquierda|izquierdo|gauche
    right|right-hand|rechts|rechte|rechten|derecha|derecho|droite
height: upper|top|oben|obere|oberen|arriba|superior|haut|superieur
    lower|bottom|unten|untere|unteren|abajo|inferior|bas|inferieur middle|mitte|medio|milieu
floor: upstairs upper-floor downstairs ground|erdgeschoss|baja|rez-de-chaussee top|obergeschoss
    basement|cellar|keller|sotano|cave attic|loft|dachboden
seat: window|fenster|ventanilla|ventana|fenetre|hublot aisle|gang|pasillo|couloir
account: savings|sparkonto|ahorro|ahorros|epargne checking|current|giro|girokonto|corriente|courant
card: debit|debito credit|kredit|credito
channel: phone|telephone|telefon|telefonisch|telefono|phoned|call|calls|called|llamada|appel
    email|e-mail|emails|e-mails|mail|correo|courriel text|texts|sms|texted whatsapp
    post|letter|letters|brief|postal|carta|courrier video fax chat
speed: early|earlier|fruh|fruher|temprano|tot
    late|later|delayed|delay|verspatet|verspatung|retraso|retard|tard|spat|punctual|overdue
order: before|vor|antes|avant after|nach|despues|apres
amount: more|mehr|mas less|fewer|weniger|menos|moins
bound: over|above|uber|mehr under|below|unter
direction: up|increase|increased|raise|rose|raised|higher|gestiegen|erhoht|subio|aumento|augmente|hausse
    down|decrease|decreased|reduce|reduced|cut|fell|lowered|lower|dropped|gesunken|gesenkt|bajo|disminuyo|baisse|diminue
level: high|hoch|alto|alta|haut|eleve low|niedrig|bajo|baja|bas
size: small|smaller|smallest|tiny|klein|kleine|kleines|pequeno|pequena|petit|petite medium
    large|larger|largest|big|bigger|biggest|huge|gross|grosse|grosses|grande|grand
length: long|longer|lang|largo|larga short|shorter|kurz|corto|corta|court|courte
width: wide|narrow|tight|loose
compass: north|northern|norden|norte|nord south|southern|suden|sur|sud east|eastern|osten|este|est
    west|western|westen|oeste|ouest
warmth: hot|heiss|caliente|chaud|chaude warm cold|kalt|frio|fria|froid|froide cool
colour: red|rot|rote|roten|roter|rotes|rojo|roja|rouge blue|blau|blaue|blauen|azul|bleu|bleue
    green|grun|grune|verde|vert|verte yellow|gelb|gelbe|amarillo|amarilla|jaune
    black|schwarz|schwarze|negro|negra|noir|noire white|weiss|weisse|blanco|blanca|blanc|blanche
    grey|gray|grau|graue|gris orange pink|rosa|rose purple|violet|lila|morado brown|braun|braune|marron beige
    oatmeal silver|silber gold|golden
room_size: single|einzelzimmer|individual|simple double|doppelzimmer|doble twin triple suite
sex: male|man|mannlich|macho|masculin female|woman|weiblich|hembra|feminin
age: old|older|alt|alte|alten|viejo|vieja|vieux|vieille
    new|neu|neue|neuen|neues|nuevo|nueva|nouveau|nouvelle|brand-new used|second-hand|gebraucht
transport: train|rail|zug|bahn|tren car|auto|wagen|coche|carro|voiture bus|coach|autobus
    plane|flight|flights|air|flugzeug|flug|avion|vuelo|vol bike|bicycle|fahrrad|rad|bici|bicicleta|velo
    boat|ship|ferry|boot|schiff|barco|bateau taxi|cab foot tram|strassenbahn|tranvia
    motorbike|motorcycle|motorrad|moto van|lieferwagen|furgoneta|camionnette
drink: tea|tee coffee|kaffee|cafe milk|milch|leche|lait juice|saft|zumo|jus water|wasser|agua|eau wine|wein|vino|vin
    beer|bier|cerveza|biere
water: still|stilles sparkling|fizzy
diet: vegan vegetarian|vegetarisch|vegetariano|vegetariana|vegetarien|vegetarienne kosher|koscher halal
    gluten-free|glutenfrei pescatarian
allergen: nuts|nut|nusse|nuss|nueces|noix peanut|peanuts|erdnusse|cacahuetes hazelnuts|walnuts
    eggs|egg|eier|huevos|huevo|oeufs shellfish|seafood|marisco|mariscos fish|fisch|pescado|poisson
    dairy|lactose|laktose|lactosa gluten|wheat|weizen penicillin|penizillin|penicilina|penicilline pollen latex
    wasps|bees|bee feathers|feather dust soy|soja aspirin ibuprofen
pet: dog|dogs|hund|perro|chien|spaniel|beagle|dachshund|dackel|poodle|terrier|labrador
    cat|cats|katze|gato|chat|kitten hamster rabbit|kaninchen|conejo|lapin horse|pferd|caballo|cheval parrot bird
    budgie goldfish
household: washing|waschmaschine|lavadora|laver dishwasher|spulmaschine|lavavajillas|lave-vaisselle
    dryer|trockner|secadora fridge|refrigerator|kuhlschrank|nevera|frigorifico|frigo freezer|gefrierschrank
    oven|backofen|horno microwave|mikrowelle stove|cooker|hob boiler|kessel|caldera|chaudiere kettle toaster
    vacuum|staubsauger
device: laptop|notebook phone|smartphone|handy|movil|telefono|telephone|portable tablet computer|pc
    printer|drucker|impresora|imprimante router|modem tv|television|fernseher|televisor|televiseur
    camera|kamera|camara|appareil headphones monitor keyboard watch
part: screen|display|bildschirm|pantalla|ecran battery|akku|bateria|batterie case keyboard charger speaker
    microphone
furniture: sofa|couch|settee|canape table|tables|tisch|mesa
    chair|chairs|stuhl|stuhle|silla|sillas|chaise|chaises|seats armchair|sessel|sillon|fauteuil
    bed|beds|bett|cama|lit wardrobe|schrank|kleiderschrank|armario|armoire desk|schreibtisch|escritorio|bureau
    shelf|shelves|bookcase|regal|estanteria|etagere lamp|lamps|lampe|lampara rug|carpet|teppich|alfombra|tapis
    mattress|matratze|colchon|matelas mirror|spiegel|espejo|miroir
clothes: jacket|jacke|chaqueta|veste coat|mantel|abrigo|manteau dress|kleid|vestido|robe shirt|hemd|camisa|chemise
    shoes|schuhe|zapatos|chaussures boots|stiefel|botas|bottes trousers|pants|hose|pantalon|pantalones
    skirt|rock|falda|jupe hat|hut|sombrero|chapeau
fixture: tap|faucet|wasserhahn|grifo|robinet lamp|lampe|lampara light radiator|heizkorper|radiador|radiateur
    sink|waschbecken|lavabo toilet|toilette|inodoro shower|dusche|ducha|douche bath|badewanne|banera|baignoire
    door|tur|puerta|porte window|fenster|ventana|fenetre
room: kitchen|kuche|cocina|cuisine bathroom|bad|badezimmer|bano|bain bedroom|schlafzimmer|dormitorio|chambre
    hall|hallway|flur|pasillo|couloir garage garden|garten|jardin living|wohnzimmer|salon office|buro|oficina|bureau
finance: mortgage|hypothek|hipoteca|immobilier loan|kredit|darlehen|prestamo|pret pension|rente|retraite
    insurance|versicherung|seguro|assurance savings isa bond overdraft credit shares|aktien|acciones|actions
remedy: refund|refunded|erstattung|ruckerstattung|reembolso|remboursement|money-back
    exchange|umtausch|cambio|echange replacement|ersatz|reemplazo|remplacement
    repair|repaired|repariert|reparatur|reparacion|reparation voucher|gutschein|vale|bon
    discount|rabatt|descuento|remise inspection|inspected
paper: invoice|bill|rechnung|factura|facture contract|vertrag|contrato|contrat receipt|quittung|recibo|recu
    statement|kontoauszug|extracto|releve certificate|bescheinigung|certificado|certificat
    prescription|rezept|receta|ordonnance licence|license|fuhrerschein
    quote|estimate|kostenvoranschlag|presupuesto|devis
detail: address|anschrift|adresse|direccion date|datum|fecha time|uhrzeit|hora|heure number|nummer|numero
    price|preis|precio|prix
fate: damaged|beschadigt|danado|endommage lost|verloren|perdido|perdu stolen|gestohlen|robado|vole
    broken|kaputt|roto|casse cracked dirty|filthy|schmutzig|sucio|sucia|sale
    clean|sauber|limpio|limpia|propre|spotless
trade: bought|buy|buys|purchased|gekauft|compro|achete sold|sell|sells|verkauft|vendio|vendu
    rented|rent|rents|hired|gemietet|alquilo|loue borrowed|borrow lent|lend|loaned
    returned|return|zuruckgegeben|devolvio
door: open|opens|opened|offen|geoffnet|abierto|abierta|ouvert|ouverte
    closed|close|closes|shut|geschlossen|cerrado|cerrada|ferme|fermee
outcome:
    passed|won|approved|accepted|accept|bestanden|gewonnen|genehmigt|angenommen|aprobo|gano|acepto|reussi|gagne|approuve|accepte
    failed|lost|rejected|refused|declined|durchgefallen|verloren|abgelehnt|rechazo|perdio|refuse|echoue|perdu
state: confirmed|bestatigt|confirmada|confirmado|confirmee|confirme
    cancelled|canceled|abgesagt|storniert|cancelada|cancelado|annulee|annule postponed|verschoben|aplazada|reportee
    pending
trend: better|improved|besser|mejor|mieux worse|worsened|schlechter|schlimmer|peor|pire
feeling: love|loves|loved|adores|likes|like|liked|liebt|mag|gusta|encanta|aime|adore
    hate|hates|hated|dislikes|loathes|hasst|odia|deteste
mood: happy|pleased|satisfied|glad|delighted|content|zufrieden|contenta|contento
    unhappy|upset|angry|annoyed|cross|furious|dissatisfied|unzufrieden|insatisfecho|mecontent
    worried|anxious|nervous sad grateful|thankful
manner: friendly|helpful|kind|polite|freundlich|hilfsbereit|amable|aimable|courteous
    unfriendly|rude|useless|impolite|unhelpful|unfreundlich|unhoflich|grosero|grosera|desagreable|impoli
advice: recommends|recommend|recommended|empfiehlt|recomienda|recommande
    warns|warn|warned|warnt|advierte|deconseille
how_often: always|immer|siempre|toujours often|frequently|regularly|usually|oft|haufig|souvent
    sometimes|occasionally|manchmal|parfois never|nie|niemals|nunca|jamais rarely|selten|raramente|rarement
dwelling: lives|living|wohnt|vive|habite lived|wohnte|vivia|vivio|habitait
job: works|working|arbeitet|trabaja|travaille worked|arbeitete|trabajaba|trabajo|travaillait
owning: owns owned
driving: drives drove
smoking: smokes smoked
playing: plays played
youth: younger|young|junger|jung|joven|jeune older|old|alter|alt|mayor|age|vieux|vieja|viejo
cost: expensive|costly|teuer|caro|cara|cher|chere
    cheap|cheaper|affordable|economical|billig|gunstig|barato|barata|bon-marche
pace: fast|faster|quick|quickly|quicker|rapid|schnell|rapido|rapide slow|slowly|slower|langsam|lento|lent
strength: strong|stronger|stark weak|weaker|schwach
severity: severe|serious|seriously|badly mild|slight|slightly
ease: easy|easier|simple|leicht|einfach|facil|facile hard|harder|difficult|schwer|schwierig|dificil|difficile
weight: heavy|heavier light|lighter
thickness: thick|dick thin|dunn
brightness: dark|dunkel|oscuro|sombre bright|hell|claro|clair
noise: loud|noisy|laut|ruidoso|bruyant quiet|silent|ruhig|leise|tranquilo|tranquila|calme
wet: wet|nass dry|trocken
full: full|voll|lleno|plein empty|leer|vacio|vide
permission: allow|allows|allowed|permits|permitted|erlaubt|permite|autorise
    forbids|forbidden|prohibits|prohibited|restricts|restrict|verbietet|verboten|prohibe|interdit
begin_end: start|starts|started|begin|begins|began|beginnt|empieza|commence
    end|ends|ended|finish|finishes|finished|endet|acaba|termina|finit
add_remove: add|added|hinzufugen remove|removed|delete|deleted|entfernen
hand_over: sent|send|sends|sending received|receive|receives
money_at: deposit|deposited withdraw|withdrew|withdrawal
where: home|zuhause|casa|maison work|workplace|office|buro school|schule|escuela|ecole
ends_of: front|vorne|delante|devant back|rear|hinten|detras|derriere
inside: inside|indoors|indoor|innen|drinnen|dentro outside|outdoors|outdoor|aussen|draussen|fuera|dehors
marital: married|verheiratet|casado|casada|marie|mariee divorced|geschieden|divorciado|divorciada|divorce
    single|ledig|soltero|soltera|celibataire widowed|widow|widower|verwitwet|viudo|viuda|veuf|veuve
employed: employed unemployed|jobless retired student|pupil teacher
sobriety: drunk sober
result: victory|win defeat|loss
quantity: all|alle|todos|tous|toutes some|einige|algunos|quelques both|beide|ambos half|halfte|halb|mitad|moitie
    third|drittel|tercio|tiers quarter|viertel|cuarto|quart
money_flow: owes|owe|debt|schuldet|debe|doit paid|pays|pay|zahlt|bezahlt|pago|pagado|paye
instrument: piano|klavier violin|geige|violine|violin|violon guitar|gitarre|guitarra|guitare drums|schlagzeug
    flute|flote|flauta cello trumpet|trompete
sport: tennis football|soccer|fussball|futbol|foot golf swimming|swim|swims|schwimmen|natacion|natation yoga pilates
    boxing|boxen|boxeo running|laufen|correr|course cycling badminton squash
country: japan india italy|italien|italia|italie spain|spanien|espana|espagne france|frankreich|francia
    germany|deutschland|alemania|allemagne portugal china brazil canada
language: english|englisch|ingles|anglais german|deutsch|aleman|allemand french|franzosisch|frances|francais
    spanish|spanisch|espanol|espagnol italian|italienisch|italiano|italien portuguese dutch polish japanese
bike: mountain road gravel city touring
"""
# Whose it is or who does it: what is said of somebody else is another matter, even where the word is only missing.
_PEOPLE = """
mother|mum|mom|mummy|mutter|mama|madre|mere|mothers father|dad|daddy|vater|papa|padre|pere
daughter|tochter|hija|fille son|sohn|hijo|fils wife|frau|ehefrau|esposa|mujer|femme|epouse
husband|mann|ehemann|marido|esposo|mari sister|schwester|hermana|soeur brother|bruder|hermano|frere aunt|tante|tia
uncle|onkel|tio|oncle niece|nichte|sobrina nephew|neffe|sobrino|neveu cousin
grandmother|grandma|granny|oma|abuela|grand-mere grandfather|grandad|opa|abuelo|grand-pere
grandson|enkel|nieto|petit-fils granddaughter|enkelin|nieta|petite-fille partner|partnerin|pareja
fiance|fiancee|verlobte neighbour|neighbor|nachbar|nachbarin|vecino|vecina|voisin|voisine
friend|freund|freundin|amigo|amiga|ami|amie colleague|kollege|kollegin|colega|collegue boss|chef|jefe|patron
landlord|vermieter|casero|proprietaire tenant|tenants|mieter|inquilino|locataire twins|zwillinge
child|children|kid|kids|kinder|kind|hijos|ninos|enfants|enfant parents|eltern|padres assistant|carer|nanny
doctor|gp|arzt|arztin|medico|medica|medecin dentist|zahnarzt|dentista|dentiste vet|tierarzt|veterinario|veterinaire
"""
# Words that say the same where they stand for each other; nothing excludes anything here.
_SYNONYMS = """
arrived|arrive|arrives|arrival|came|come|turn|turned|delivered|reached|angekommen|llego|llegado|arrivee|recu
parcel|package|parcels|packet|paket|paquete|colis|shipment
moved|relocated|moving|relocating|gezogen|umgezogen|mudo|demenage
want|wants|wanted|wish|wishes|like|asked|asks|requested|requests|rather|prefers|prefer|mochte|wunscht|bat|lieber|zieht|pidio|quiere|prefiere|souhaite|veut|demande|prefere|looking
reserve|book|reservation|booking complained|complains|complaint|complaining|complaints
works|working|funktioniert|funciona|marche|fonctionne
need|needs|requires|require|needed|required|braucht|necesita
called|named|name|call|heisst|namens|llama|llamada|llamado|s'appelle|appelle|nommee|nomme
purchase|bought|buy|purchased|purchases afraid|scared|terrified|frightened|fears
contacted|contact|reached|kontaktiert|kontaktieren|contacten|contacte|contacter|escriban
allergic|allergy|allergies|allergisch|allergie|alergica|alergico|alergia|allergique
send|sent|posted|mailed study|studying|learning|learn|learns|studies
lives|live|living|resident|resides|wohnt|vive|habite own|owns|has|have|had|got
faulty|defective|broken cost|costs|price|priced wait|waits|waited|waiting|wartete|espero|attendu
charged|billed|charge trip|travelling|traveling|travel|travels|journey|visit weekend|weekends
"""
# Words that say no or end something, alone.
DENIALS = frozenset(
    """no not never none neither nor nobody nothing cannot isn't aren't wasn't weren't don't doesn't didn't won't
    wouldn't can't couldn't shouldn't hasn't haven't hadn't mustn't needn't ain't without unable refused refuses stopped
    cancelled canceled quit quits lost unsubscribed revoked rejected declined anymore sold failed fails lacks
    lacking missing withdrew withdrawn ended former formerly ex wrong wrongly except excluding unless terminated
    abandoned denied denies ceased unhappy unwilling nicht kein keine keinen keinem keiner keines nie niemals
    niemand nichts ohne aufgehort abgelehnt gekundigt verkauft verloren storniert abgesagt abbestellt widerrufen
    verweigert ausser falsch falsche falschen ehemalig ehemalige nunca jamas ningun ninguna ninguno nadie nada sin
    tampoco vendio perdio rechazo cancelo cancelado cancelada excepto salvo equivocado ne n pas jamais aucun aucune
    sans rien personne refuse annule annulee vendu perdu arrete resilie sauf mauvais ancien non nao niet geen nooit
    senza nessun nessuna sem zonder""".split()
)
DENIAL_PHRASES = (
    "no longer", "used to", "any more", "turned down", "gave up", "out of", "instead of", "opted out", "nicht mehr",
    "ya no", "ne plus", "dejo de", "dio de baja",
)  # fmt: skip
# Words that add nothing to what is said: who tells it, how surely, and little words that stop lists leave out.
LIGHT = frozenset(
    """say says said saying told tells tell mentioned mentions reported reports states stated according really very
    quite just simply please actually currently presently now still already again kindly own every each by near beside
    sagt sagte laut wirklich sehr gerade derzeit aktuell jetzt noch schon beim ins zurzeit momentan jede jeden jedes
    dice dijo dicho realmente actualmente ahora todavia aun ya cada dit disait vraiment actuellement maintenant encore
    deja chaque on qu'on""".split()
)
# Denials that speak of the word that follows, and are told from it.
DENIES_NEXT = frozenset("no not without kein keine keinen ohne sin sans nicht".split())


# Classes of which two cannot be true at once; who is allergic to nuts may be to eggs as well.
OPPOSITES = frozenset(
    "advice brightness cost direction door dwelling feeling how_often job level manner marital noise outcome owning"
    " pace permission seat severity sex smoking state trend".split()
)
# A class of which also one that is only missing makes another statement: half the invoice, and the invoice.
STRICT = frozenset({"quantity"})
# What is wished, asked, planned, supposed or still to come: another matter than what is or was.
PENDING = frozenset(
    """want wants wanted wanting wish wishes asked asks asking ask requested requests request rather prefers prefer
    shall might may maybe perhaps probably possibly could should would will like need needs needed requires require
    required looking hopes hope hoping plans plan planning planned intends intend considering considers considered
    thinking thinks think trying tries tried try attempts going interested due
    expects expected promised promise believes supposed saving wonders
    mochte wunscht bat lieber zieht will wird werden plant uberlegt soll braucht vielleicht interessiert hofft
    fragte pidio quiere prefiere necesita piensa planea quizas va pregunto espera souhaite veut demande prefere
    pense envisage besoin va peut-etre espere""".split()
)
# Where to and where from; whoever moves from Leeds to York did not move from York to Leeds.
DIRECTIONS = {"from": 0, "von": 0, "desde": 0, "to": 1, "nach": 1, "hasta": 1}


@lru_cache(maxsize=1)
def contrasts() -> dict[str, tuple[tuple[str, int], ...]]:
    """Each word's places in the closed lists: (class, which one of the class)."""
    found: dict[str, list[tuple[str, int]]] = {}
    name, place = "", 0
    for member in _CONTRASTS.split():
        if member.endswith(":"):
            name, place = member.removesuffix(":"), 0
            continue
        for word in member.split("|"):
            found.setdefault(word, []).append((name, place))
        place += 1
    return {word: tuple(places) for word, places in found.items()}


@lru_cache(maxsize=1)
def people() -> dict[str, int]:
    """Each word for a person, and which one."""
    return {word: place for place, member in enumerate(_PEOPLE.split()) for word in member.split("|")}


@lru_cache(maxsize=1)
def senses() -> dict[str, frozenset[str]]:
    """Each word's senses: two words that share one may stand for each other."""
    found: dict[str, set[str]] = {}
    for place, member in enumerate(_SYNONYMS.split()):
        for word in member.split("|"):
            found.setdefault(word, set()).add(f"={place}")
    for word, places in contrasts().items():
        found.setdefault(word, set()).update(f"{name}={place}" for name, place in places)
    for word, place in people().items():
        found.setdefault(word, set()).add(f"person={place}")
    return {word: frozenset(places) for word, places in found.items()}
