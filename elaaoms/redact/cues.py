"""The words that say what a number is: tables in English, German, Spanish and French."""

from __future__ import annotations

from functools import lru_cache

from elaaoms.redact.kinds import Kind

MASK = {
    Kind.CARD: "[card number]",
    Kind.SSN: "[social security number]",
    Kind.IBAN: "[bank account]",
    Kind.PASSWORD: "[password]",
    Kind.PIN: "[pin]",
    Kind.CVV: "[security code]",
    Kind.CUSTOM: "[removed]",
}
MASKS = {mask: kind for kind, mask in MASK.items()}

# Classes beside the kinds: what follows is no secret (ref, phone, other), the end of one (last4),
# or says how a number is split over breaths (part).
REF, PHONE, OTHER, LAST4, PART = "ref", "phone", "other", "last4", "part"
HARMLESS = frozenset((REF, PHONE, OTHER))

_CUES = {
    "card": """card | credit card | debit card | bank card | payment card | card number | visa | mastercard
        | master card | amex | american express | discover card | maestro | long number
        | number on the front | pan number | kreditkarte | kreditkartennummer | kartennummer | karte
        | ec karte | girokarte | bankkarte | debitkarte | kreditkarten nummer | karten nummer
        | meiner karte | tarjeta | tarjeta de credito | tarjeta de debito | numero de tarjeta
        | numero de la tarjeta | carte | carte bancaire | carte bleue | carte de credit
        | numero de carte | cb | numero de la carte""",
    "ssn": """ssn | social security | social security number | social security no | social insurance number
        | national insurance | national insurance number | my social | your social | his social
        | her social | the social | their social | full social | of social | taxpayer id | tax id | itin
        | s s n | social number | ni number | socials | sozialversicherungsnummer
        | rentenversicherungsnummer | sozialversicherung | sozialversicherungs nummer | seguridad social
        | numero de seguridad social | numero de la seguridad social | seguro social
        | numero de seguro social | securite sociale | numero de securite sociale | numero de secu
        | secu""",
    "iban": """iban | iban number | iban nummer | ibans | bank details | bankverbindung | numero de iban | rib""",
    "password": """password | passwords | passphrase | pass phrase | pass word | passwort | kennwort | losungswort
        | kundenkennwort | codewort | code word | contrasena | contrasenas | palabra clave
        | palabra secreta | mot de passe | mots de passe | memorable word | secret word | security word
        | safe word | wifi key | wpa key | passwd | pwd | mdp | telefonkennwort | secret phrase
        | login password | magic word""",
    "pin": """pin | pins | pin number | pin code | pincode | passcode | pass code | passcodes
        | personal identification number | geheimzahl | geheimnummer | pin nummer | tan | tans
        | mobile tan | otp | one time code | one time password | one time passcode | one time pin
        | verification code | confirmation pin | access code | door code | gate code | entry code
        | alarm code | unlock code | login code | secret code | authentication code | authenticator code
        | two factor code | code | codes | code secret | code pin | clave | clave secreta
        | clave de acceso | codigo | codigo pin | numero pin | codigo de verificacion | codigo secreto
        | code confidentiel | code d acces | code de verification | numero secreto | zugangscode
        | bestatigungscode | verifizierungscode | einmalcode | einmalpasswort | sms code | code tan
        | turcode | alarmcode | keypad code | safe combination | telefon pin | telebanking pin
        | phone pin | telephone pin | order pin | account pin | booking pin | room pin""",
    "cvv": """cvv | cvc | cv2 | cvv2 | cvc2 | csc | cvn | cid code | security code | card security code
        | card verification | card verification value | card verification code
        | card verification number | card code | digits on the back | numbers on the back
        | number on the back | digits on the back of the card | digits on the back of your card
        | code on the back | signature strip | on the back | cvv code | cvc code | c v v | c v c
        | three digit code | 3 digit code | on the reverse | prufziffer | prufnummer | kartenprufnummer
        | sicherheitscode | kartenprufziffer | auf der ruckseite | ruckseite | codigo de seguridad
        | al dorso | dorso | reverso | en el reverso | clave de seguridad | cryptogramme
        | code de securite | au dos | au verso | cryptogramme visuel | cvv number | cvc number
        | security digits""",
    LAST4: """last four | last 4 | last for digits | final four | ending in | ending | ending with | ends in
        | ends with | ended in | last digits | last three | last five | last 5 | last six | letzten vier
        | letzten 4 | letzte vier | letzten vier ziffern | endet auf | endet mit | endziffern
        | letzten ziffern | ultimos cuatro | cuatro ultimos | ultimas cuatro | ultimos 4 | termina en
        | terminada en | acaba en | terminado en | quatre derniers | 4 derniers | derniers chiffres
        | quatre derniers chiffres | finit par | se termine par | terminant par | last four digits
        | last 4 digits | last four numbers | ultimos cuatro digitos | ultimos digitos
        | ultimas cuatro cifras""",
    PART: """first four | next four | first six | next six | first 4 | next 4 | first three | next three
        | next two | first two | middle four | other four | first group | next group | last group
        | second four | third four | first eight | next eight | second group | third group | last eight
        | last two | last bit | first part | second part | ersten vier | nachsten vier | nachste vier
        | primeros cuatro | siguientes cuatro | quatre premiers | quatre suivants | starts with
        | starting with | begins with | beginning with | beginnt mit | empieza por | commence par
        | first digits | four digits | three digits | six digits | four digit | six digit | three digit
        | 4 digit | 6 digit | 3 digit | 4 digits | 6 digits | 3 digits | five digit | five digits
        | nine digits | sixteen digits | sixteen digit | 16 digit | 16 digits | nine digit | 9 digit
        | 9 digits | two digits | eight digits | eight digit | four numbers | three numbers
        | vierstellige | vier ziffern | drei ziffern | sechsstellige | sechs ziffern | cuatro digitos
        | tres digitos | seis digitos | quatre chiffres | trois chiffres | six chiffres | cuatro cifras
        | tres cifras | cuatro numeros | trois derniers | tres ultimos | tres numeros | letzten drei
        | four number""",
    REF: """order | orders | order number | order no | order id | ticket | ticket number | case
        | case number | reference | reference number | ref | booking | booking number
        | booking reference | reservation | reservation number | confirmation | confirmation number
        | confirmation code | tracking | tracking number | tracking code | parcel | shipment | invoice
        | invoice number | customer number | customer id | client number | member | member id
        | membership | member number | membership card | member card | members card | access card
        | membership number | account | account number
        | account no | policy | policy number | claim | claim number | serial | serial number | imei
        | imei number | product | product number | product code | article number | item number | barcode
        | bar code | isbn | ean | sku | part number | model | model number | loyalty card
        | loyalty number | gift card | gift card number | library card | sim card | insurance card
        | business card | birthday card | greeting card | boarding card | report card | score card
        | travel card | student card | key card | store card | punch card | frequent flyer
        | frequent flyer number | discount code | promo code | voucher | voucher code | coupon
        | coupon code | gift voucher | error code | booking code | reservation code | reference code
        | order code | dress code | tracking id | transaction id | transaction | transaction number
        | vin | registration | registration number | licence plate | license plate | patient number
        | medical record number | mrn | employee number | employee id | staff number | student number
        | student id | meter number | contract | contract number | contract card | delivery note
        | receipt | receipt number | id number | sort code | routing number | bic | swift code
        | vat number | ticket code | pickup code | collection code | version | version number | build
        | waybill | consignment | consignment number | container | serial code | postcard | sd card
        | graphics card | video card | memory card | prescription number | prescription | rx number
        | device id | id card | invite code | referral code | product key | lot number | batch number
        | batch | lotnummer | bestellung | bestellnummer | auftrag | auftragsnummer | kundennummer
        | rechnung | rechnungsnummer | sendungsnummer | sendung | paket | buchung | buchungsnummer
        | buchungscode | ticketnummer | vorgangsnummer | vertragsnummer | mitgliedsnummer | kontonummer
        | konto | artikelnummer | seriennummer | referenznummer | aktenzeichen | gutscheincode
        | rabattcode | versicherungsnummer | policennummer | zahlernummer | kundenkarte | mitgliedskarte
        | bahncard | paketnummer | fallnummer | gutschein | kennzeichen | visitenkarte | speisekarte
        | landkarte | fehlercode | schadennummer | pedido | numero de pedido | reserva
        | numero de reserva | factura | numero de factura | seguimiento | numero de seguimiento
        | referencia | cliente | numero de cliente | socio | numero de socio | cuenta | poliza
        | numero de poliza | localizador | tarjeta de embarque | tarjeta de socio | tarjeta de regalo
        | tarjeta sim | tarjeta de fidelidad | codigo de reserva | codigo de descuento
        | codigo promocional | codigo de error | envio | paquete | expediente | codigo de pedido
        | codigo de seguimiento | numero de serie | billete | commande | numero de commande | colis
        | suivi | numero de suivi | facture | dossier | numero de dossier | numero client | adherent
        | numero d adherent | compte | numero de compte | contrat | numero de contrat
        | carte d embarquement | carte de fidelite | carte cadeau | carte sim | carte d identite
        | carte vitale | code promo | code de reduction | code de reservation | code erreur
        | code d erreur | police | numero de police | billet""",
    PHONE: """phone | phone number | telephone | telephone number | mobile | mobile number | cell | cell phone
        | cellphone | cell number | landline | fax | fax number | call me | call me on | call me at
        | call me back | reach me | ring me | text me | callback number | call back number
        | contact number | extension | ext | whatsapp | hotline | dial | dialing code | country code
        | area code | telefon | telefonnummer | handy | handynummer | mobilnummer | festnetz
        | ruckrufnummer | rufnummer | durchwahl | vorwahl | nummer erreichbar | rufen sie | erreichen
        | telefono | numero de telefono | movil | numero de movil | celular | llameme | prefijo
        | numero de telephone | portable | numero de portable | fixe | joindre | rappeler | rappelez
        | indicatif | tel""",
    OTHER: """room | rooms | room number | bus | flight | flight number | gate | seat | table | page | channel
        | platform | train | line | size | date | date of birth | birthday | born | dob | expiry
        | expiry date | expiration | expiration date | expires | expire | valid until | good through
        | exp | zip | zip code | zipcode | postcode | postal code | post code | address | street
        | house number | apartment | flat | unit | suite | floor | price | cost | amount | total
        | quantity | budget | balance | deposit | weight | height | age | year | years | time | o'clock
        | highway | route | interstate | area | qr code | source code | morse code | zipcodes | locker
        | locker number | bay | aisle | chapter | exit | hall | terminal | box | po box | temperature
        | score | rate | number of people | number of guests | party of | january | february | march
        | april | june | july | august | september | october | november | december | zimmer
        | zimmernummer | zug | gleis | flug | flugnummer | sitzplatz | seite | grosse | datum
        | geburtsdatum | geboren | ablaufdatum | gultig bis | postleitzahl | plz | adresse | strasse
        | hausnummer | preis | betrag | januar | februar | marz | mai | juni | juli | oktober | dezember
        | habitacion | vuelo | numero de vuelo | asiento | puerta | talla | fecha | fecha de nacimiento
        | caducidad | caduca | codigo postal | direccion | calle | precio | importe | ano | enero
        | febrero | marzo | abril | mayo | junio | julio | agosto | septiembre | octubre | noviembre
        | diciembre | chambre | vol | numero de vol | siege | porte | taille | date de naissance
        | code postal | rue | prix | montant | annee | janvier | fevrier | mars | avril | juin | juillet
        | aout | septembre | octobre | novembre | decembre""",
    "": """social media | social worker | social club | social event | social network | card game
        | card games | card reader | on the cards | safety pin | bowling pin | rolling pin | drop a pin
        | pin it | bank holiday | credit card machine | code of conduct | redes sociales | a la carte
        | por la cuenta | on the back of the house | on the back burner | on the back foot
        | on the back door | on the back porch | on the back seat | password manager
        | password reset link | last time | in order to | in order | just in case | in case | no case
        | of course | of code | lines of code""",
}  # fmt: skip


@lru_cache(maxsize=1)
def phrases() -> dict[str, list[tuple[tuple[str, ...], str]]]:
    """First word → the rest of each phrase and its class, longest first; digits stand in for words too."""
    found: dict[str, list[tuple[tuple[str, ...], str]]] = {}
    for cue, text in _CUES.items():
        for phrase in text.split("|"):
            first, *rest = phrase.split()
            found.setdefault(first, []).append((tuple(rest), cue))
    for choices in found.values():
        choices.sort(key=lambda choice: -len(choice[0]))
    return found


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


MONTHS = _set(
    """january february march april may june july august september october november december januar februar
    marz mai juni juli oktober dezember enero febrero marzo abril mayo junio julio agosto septiembre
    octubre noviembre diciembre janvier fevrier mars avril juin juillet aout septembre octobre novembre
    decembre jan feb mar apr jun jul aug sep oct nov dec"""
)
UNITS = _set(
    """second seconds minute minutes hour hours day days week weeks month months year years item items time
    times piece pieces people persons person percent dollar dollars pound pounds euro euros pence bucks
    quid kilo kilos kilogram kilograms bag bags boxes other others different kids children guests adults
    pairs bottles degrees mile miles kilometer kilometers kilometre kilometres metres meters feet foot
    inch inches night nights rooms tickets seats cards orders calls copies parcels packages letters
    emails units attempts tries options steps lines employees users students street avenue road grams
    liters litres gallons watts volts amps stars points o'clock oclock hundredths th st ounces cups
    tablets pills milligrams cats dogs sisters brothers sekunden stunden stunde tage tagen tag woche
    wochen monate monaten jahre jahren jahr personen leute nachte nachten prozent stuck kinder gaste
    erwachsene grad mal flaschen zimmern minuten meter kilometern segundos minutos hora horas dia dias
    semana semanas mes meses ano anos personas noches veces por grados ninos adultos habitaciones metros
    kilometros pesos secondes heure heures jour jours semaine semaines mois an ans personnes nuits fois
    pourcent enfants adultes degres"""
)
# What may stand inside a number that is said in breaths.
FILLERS = _set(
    """uh um er erm ah eh hmm hm mm mhm and then dash hyphen minus space stroke slash dot period comma next
    followed by also so okay ok yes yeah yep now like again sorry wait no hold on let me see well right
    got it that's it's its is are the that a where was were i'm let's oops after comes digits digit
    number numbers group bit one more time i repeat please just finally lastly uhm actually moment
    second correction rather read reading here goes continuing continue plus or maybe think ahm aeh ehm
    und dann danach strich bindestrich leerzeichen punkt weiter noch mal ja nein nochmal gefolgt von
    kommt kommen die das ist sind zum schluss este pues luego despues y guion espacio punto si vale coma
    seguido de ahora el la los son por ultimo espera perdon e euh ben puis ensuite et tiret trait d
    espace point virgule apres suivi c est oui alors le les sont non pardon attendez voila enfin donc s
    's 're 'll""".replace("d espace", "espace")
)
# What may stand between a cue and its value.
LINKS = FILLERS | _set(
    """is was are be been being to equals reads says would should would've set changed reset as has my your
    our his her their this there it's for of the code number digits digit same ends new old current use
    used using try type typed enter entered put in become becomes remains still called goes follows
    following below you u he she sure thing problem fine absolutely certainly happy here great thanks
    thank good could can i'm i've i'd i have had got gave give given sent me us him them chose picked
    choose pick exactly only currently today nice four six three sixteen nine ist lautet war heisst auf
    mein meine meiner ihr ihre der den dem des sie er es nummer zahl ziffern wurde habe haben hat gerne
    gern klar naturlich bitte danke neue neuer alte geandert gesetzt hier sicher era mi mis tu su sus
    numero cifras digitos una un claro gracias aqui tiene cambie cambiado seria del dice nuevo nueva est
    etait mon ma mes votre vos ton ta sa son ses chiffres bien sur voici merci change nouveau nouvelle"""
)
REVERSE = _set(
    """is that 's it was this these those they are as for being the my your our his her their a ist mein
    meine als fur es mi como de para la el est mon ma comme pour le that's"""
)
ACKS = FILLERS | _set(
    """mhm uhhuh go ahead on keep going sure great perfect thanks thank you thank's yes i'm listening noted
    gotcha understood alright all take your time ready when are what rest else anything remaining
    whenever have so far good and you're doing am with i me could would repeat slowly say catch didn't
    did not carry again once last the another missing 't 'm 'd hear slower lost cut out audio line broke
    up part still there hello can bitte weiter genau gut danke verstanden sprechen horen hore machen
    fahren fort sie alles klar prima notiert ich nachsten sigue siga adelante gracias perfecto de
    acuerdo bien anotado continue entiendo escucho muy digame resto la accord parfait merci note
    continuez poursuivez ecoute je vous allez y suite tres reste noter"""
)
REPEATS = _set(
    """repeat again catch pardon slowly once missed hear heard sorry wiederholen nochmal verstanden repetir
    repita otra encore repeter reprendre rest remaining next continue missing what's whats weiter
    siguiente suite"""
)
ASKS = _set(
    """please could can may tell give provide confirm need enter say read share have what what's which
    verify supply spell bitte nennen sagen geben brauche brauchte benotige lautet wie welche eingeben
    bestatigen teilen durchgeben favor digame dime indique cual necesito puede podria introduzca
    confirme deme facilite dar donnez pouvez quel quelle indiquez besoin saisissez plait confirmez puis
    dites pourriez"""
)
NOT = _set(
    """not no 't never don dont didn doesn isn wasn won can't cannot couldn't forgot forget forgotten
    remember know idea why what when where how who reset lost rather refuse without uncomfortable
    comfortable unsure wrong hmm secure safe later nicht kein keine nie niemals vergessen warum wieso
    weiss was wann wie erinnere verloren falsch ungern nunca olvide olvidado por que recuerdo se cual
    incorrecta perdi pas jamais oublie pourquoi sais rappelle souviens perdu quoi faux"""
)
# What can follow "the password is" without being one.
NO_VALUE = NOT | _set(
    """still too the same being case required needed important on in at with something a an saved stored
    locked gone good fine ok okay correct right weak strong long short different always very really
    probably supposed incorrect invalid expired expiring working accepted rejected asking about to be
    for my your our his her their this that it it's there here also just only already now set changed
    blank empty missing unknown personal private confidential temporary valid ready sent one problem
    issue case-sensitive hidden visible old new out broken blocked up going getting giving causing never
    enough compromised stolen hacked protected written and or but if because so when which who is was i
    you we they he she great impossible hard easy difficult somewhere mandatory optional between over
    under than least made created updated due outdated falsch ungultig abgelaufen das die der ein eine
    sehr zu wichtig gesperrt geheim sicher noch schon immer nur jetzt auch gespeichert notig unbekannt
    korrekt richtig weg leer mir ihnen dir schwach stark kurz lang neu alt incorrecta invalida caducada
    la el un una muy demasiado importante segura secreta todavia ya siempre correcta para necesaria
    bloqueada caduco vieja nueva lo invalide expire le une tres trop secret encore deja toujours bon
    mauvais pour bloque necessaire obligatoire perime que"""
)
# What may stand between "the password is" and the password.
ADVERBS = _set(
    """always just simply only immer einfach nur siempre solo toujours juste simplement uh um ah er ahm euh
    spelled"""
)
# Words between two cues that make the second a part of the first: "the zip code for the card".
OF = _set("on for of auf fur de del der des von zu zur zum sur pour para associated")
PRONOUNS = _set("it that them this those one ihn sie den es lo la los las le les cela ca")
# What ends a password that is said in a sentence.
ENDS = _set(
    """but because so which can could please if when i you we he she they thanks thank and or for on with
    what who where why how will would in that's then is was by right okay ok aber weil also bitte danke
    wenn ich sie wir und oder fur konnen pero porque asi por si yo usted gracias y o para puede mais
    parce donc merci je vous nous et ou pour pouvez avec"""
)
# What may stand before a password in an answer.
WAITS = _set("hold hang let just wait give i'll hello sorry could can go yes no")
LEADS = _set(
    """it's it is its that's that the my password passphrase word sure okay ok yes yeah um uh er well so 's
    of course certainly i use think was should be would absolutely one moment here goes all lowercase
    capital letters believe right oh alright es ist das mein passwort kennwort ja klar gerne lautet also
    naturlich ahm mi contrasena clave si claro vale la pues esta palabra c est le mon mot de passe oui
    bien sur voici alors euh d accord"""
)
NO_VALUE_OR_END = NO_VALUE | ENDS
COPULAS = _set("is 's : = was ist lautet war es est era be equals becomes reads say says lautete")
OWNERS = _set("my our the your wifi mein das mi la mon le a new old his her account")
CHANGED = _set("changed set reset change update updated geandert cambie")
