"""The small vocabularies that tell names, places and things from ordinary English words."""

from __future__ import annotations


def vocabulary(words: str) -> frozenset[str]:
    """Words separated by blanks, as a set."""
    return frozenset(words.split())


def listed(words: str) -> list[str]:
    """Words separated by blanks, in their order."""
    return words.split()


# Words that are neither a name nor a place when speech recognition wrote them in lower case.
COMMON = vocabulary(
    """a able about above absolutely abroad account across actually address afraid after afternoon again
    against age ago ah all allergic almost alone already also although always am amount an and angry
    annoyed another any anybody anymore anyone anything anyway apologies appointment are aren't around
    arrived as ask asked asking at away baby back bad bank based basically bear because bed been before
    behind being believe best better between big bill billing birthday bit book booked booking born both
    bought bought box boy bring broke broken brother brought business busy but buy by bye call called
    caller calling came can can't cancel cancelled card care careful case cat certain change changed
    charge charged check checking child children city clear clearly close cold come comes coming company
    complain complaint completely confirm confirmed confused constant contact cool correct cost could
    country couple course credit curious currently customer dad daughter dates day days dead deal
    dealing dear definitely delayed delivered delivery department did didn't different disappointed do
    doctor does doesn't dog doing don't done door down due during each early easy eat either else email
    end enough even evening ever every everybody everyone everything exactly excuse expecting extremely
    family far fast father favourite fear few figured final finally find fine first flat following food
    for forgot found four fourth free friday friend friends from front frustrated full fun furious
    further game gave get getting girl give given glad go god goes going gone gonna good goodbye got
    gotta great guess guy guys had half hang happened happens happy hard has hate hated hates have
    haven't having he he's hear heard hello help helpful her here here's hers hey hi high him himself
    his hold holiday home hope hoping hospital hot hotel hour hours house how however hungry husband i
    i'd i'll i'm i've if im ill important in information inside instead interested internet into invoice
    is isn't issue it it's item items its itself job just keep keeps kept kid kids kind knew know known
    lady large last late lately later latest leave left less let let's letter life like liked likes line
    list listen literally little live lived lives living local long look looking lost lot lots loud love
    loves lovely low lunch mad made mail main make makes making man many married matter may maybe me
    mean means meant medication meet meeting member mentioned message met middle might mind mine minute
    missing mom moment monday money month months more morning most mostly mother mouth move moved much
    mum must my myself name named names near nearly need needed needs neighbour never new news next nice
    night no nobody none noon nope normal normally not nothing now nowhere number numbers obviously of
    off office often oh ok okay old on once one ones online only open opened or order ordered ordering
    other others our ours ourselves out outside over own package paid pain parcel parents part
    particularly party patient pay paying payment peace people perfect perhaps person phone pick place
    plan please pleased plus pm point police policy polite pool poor possible post pretty prefer
    previous price private probably problem problems product promise promised put question questions
    quick quickly quiet quite ran rather read ready real really reason received recently reference
    refund regarding relation remember reservation rest retired return returned returning ridiculous
    right room run running sad safe said same sat saturday save saw say saying says school second see
    seem seems seen sell send sense sent serious seriously service set seven several shall she she's
    shop short should show shut sick side silly similar simple simply since single sister sit six sleep
    slow small so sold some somebody someone something sometimes somewhere son soon sorry sort sound
    sounds speak speaking spell spelled spelt spoke spoken standing start started starting state stay
    staying still stop stopped store story straight street stressed strong stuck stuff stupid such
    sunday support suppose supposed sure surname surprised system table take taken taking talk talked
    talking team tell ten terrible terrified than thank thanks that that's the their theirs them then
    there there's these they they're thing things think third thirty this those though thought three
    through thursday tickets tight till time times tired to today together told tomorrow tonight too
    took top totally touch town tried true truly trust try trying tuesday turn twice two type uh um
    unable uncle under unfortunately unhappy until up upset urgent us use used useless using usual
    usually vegan vegetarian verified very village visit visiting voice wait waiting walk want wanted
    wanting wants warm was wasn't water way we we'd we'll we're we've website wednesday week weekend
    weeks weird welcome well went were what what's whatever when where whether which while who who's
    whole whom whose why wife will wish with without woman won't wonder wondering work worked working
    works world worried worse worst would wouldn't wow wrong yeah year years yep yes yesterday yet you
    you'd you'll you're you've young your yours yourself zero customers british english american german
    french spanish italian irish scottish welsh dutch polish indian chinese russian robot human real
    client guest owner manager boss admin administrator vip engineer developer nurse teacher student
    pregnant blind deaf disabled diabetic coeliac celiac frankly honestly literally technically extra
    double triple dot dash hyphen slash underscore letter capital lowercase uppercase follows ends
    begins starts currently today's ok'd alright gotcha cheers ta bit concerned furious livid impressed
    delighted grateful annoyed shocked outraged supposed gonna wanna gotta lemme dunno cause cos coz
    till ain't y'all regards quote broke need"""
)
# Words that are written with a capital and still are no one's name.
NOT_NAMES = vocabulary(
    """monday tuesday wednesday thursday friday saturday sunday january february march april june july
    august september october november december english british american german french spanish italian
    irish scottish welsh dutch polish indian chinese russian european christian muslim jewish catholic
    hindu christmas easter ramadan diwali mum mom dad batman superman spiderman santa claus mickey
    donald duck jesus satan nobody anonymous alexa siri chatgpt elevenlabs google amazon apple microsoft
    admin administrator root system assistant user openai anthropic claude president king queen prime
    minister your my the this that what why when where how who which i i'm it if is are was no yes yeah
    yep nope hi hello hey okay ok oh well so and but or for from with about calling here speaking sorry
    thanks thank please just not really very actually good great fine bye sure right correct exactly
    perfect hold wait inigo ishmael bond"""
)
# First names common enough to be one even where speech recognition wrote them in lower case.
FIRST_NAMES = vocabulary(
    """aaron abigail adam adrian agnes ahmed aisha alan albert alejandro alex alexander alexandra alfie ali
    alice alicia alison amanda amara amelia amina amir amy ana andrea andreas andrew angela anita anja
    ann anna anne annie anthony antonio arthur ava barbara beatrice ben benjamin bernard beth betty
    brandon brenda brian bridget bruno caitlin camila carl carla carlos carmen carol caroline catherine
    charles charlotte chloe chris christina christine christopher claire clara clare claudia colin
    connor craig daisy daniel daniela darren dave david dawn deborah debra denise dennis derek diana
    diane diego dominic donald donna doris dorothy douglas dylan edward edwin eileen elena eleanor eliza
    elizabeth ella ellen ellie elliot emilia emily emma eric erik erin ethan eva evan eve evelyn fatima
    felix fiona florence frances francis francesca freddie frederick freya gabriel gareth gary gavin
    gemma geoffrey george georgia gerald gillian gloria gordon graham greta gregory hannah harold
    harriet harry hassan hayley heather heidi helen helena henry howard hugo ian ibrahim imogen ingrid
    irene isaac isabel isabella isla ivan jacob jake james jamie jan jane janet janice jason javier jean
    jeffrey jennifer jenny jeremy jerry jessica jim jimmy joan joanna joanne joe joel johanna john
    johnny jonas jonathan jordan jorge jose joseph joshua joyce juan judith julia julian julie justin
    karen karl kate katherine kathleen katie keith kelly ken kenneth kevin kieran kimberly kirsty kyle
    lara laura lauren lea leah lena leo leon leonard leroy leslie lewis liam lily linda lisa logan lorna
    louis louisa louise lucas lucia lucy luis luke lydia lynn madeleine maggie malcolm manuel marco
    margaret maria marie marilyn mario marion marta martha martin martina mary mateo matthew maureen max
    maya megan melanie melissa mia michael michelle miguel mike mila miriam mohammed molly monica
    muhammad nadia nancy naomi natalie natasha nathan neil nicholas nicola nicole nigel nina noah noel
    nora norma norman oliver olivia omar oscar owen pamela patricia patrick paul paula pauline pedro
    peggy peter philip phoebe phyllis priya rachel ralph raymond rebecca rex ricardo richard rita rob
    robert roberta roberto robin robyn roger roland ronald rosa rosemary rosie ross roy ruby russell
    ruth ryan sally sam samantha samir samuel sandra sara sarah scott sean sebastian sergio sharon
    sheila shirley simon sofia sonia sophia sophie stanley stella stephanie stephen steve steven stuart
    susan suzanne sven sylvia tamara tanya tara teresa terry theo theodore theresa thomas tim timothy
    tina toby todd tom tommy tony tracy trevor valerie vanessa vera veronica victoria vincent vivian
    walter wayne wendy wilhelm william yasmin yusuf yvonne zara zoe"""
)
# Closed list: a greeting may say "Last time we talked about …" with one of these.
TOPICS: tuple[tuple[str, str], ...] = (
    (r"internet|broadband|wi-?fi|router|fibre", "your internet connection"),
    (r"boiler|heating|radiators?|hot water", "your boiler"),
    (r"refunds?|money back", "your refund"),
    (r"invoices?|bills?|charged?|overcharged|payments?|direct debit", "your invoice"),
    (r"subscriptions?|membership|contract", "your subscription"),
    (r"lessons?|class(?:es)?|course", "your lessons"),
    (r"bookings?|reservations?|room|table|stay", "your booking"),
    (r"appointments?|check-?up|consultation|visit", "your appointment"),
    (r"deliver(?:y|ies|ed)|parcels?|packages?|shipments?|courier", "your delivery"),
    (r"orders?|replacement", "your order"),
    (r"prescriptions?", "your prescription"),
    (r"meters?|electricity|gas", "your energy supply"),
    (r"account|policy", "your account"),
)
RELATIONS = {
    "mum": "mother", "mom": "mother", "mummy": "mother", "mother": "mother", "dad": "father", "father": "father",
    "daughter": "daughter", "son": "son", "wife": "wife", "husband": "husband", "partner": "partner",
    "girlfriend": "girlfriend", "boyfriend": "boyfriend", "fiance": "fiancé", "fiancé": "fiancé",
    "fiancée": "fiancée", "fiancee": "fiancée", "sister": "sister", "brother": "brother", "aunt": "aunt",
    "uncle": "uncle", "nephew": "nephew", "niece": "niece", "cousin": "cousin", "grandmother": "grandmother",
    "grandma": "grandmother", "grandfather": "grandfather", "grandad": "grandfather", "grandson": "grandson",
    "granddaughter": "granddaughter", "stepson": "stepson", "stepdaughter": "stepdaughter",
    "mother-in-law": "mother-in-law", "father-in-law": "father-in-law", "dog": "dog", "cat": "cat",
    "puppy": "dog", "kitten": "cat", "horse": "horse", "rabbit": "rabbit", "parrot": "parrot",
    "doctor": "doctor", "gp": "doctor", "dentist": "dentist", "neighbour": "neighbour", "neighbor": "neighbour",
    "friend": "friend", "assistant": "assistant", "carer": "carer", "roommate": "roommate",
    "flatmate": "flatmate", "colleague": "colleague", "baby": "baby",
}  # fmt: skip
OCCUPATIONS = (
    "teacher|nurse|student|plumber|electrician|driver|bus driver|taxi driver|lorry driver|truck driver|chef|cook|"
    "carpenter|gardener|musician|accountant|hairdresser|farmer|writer|photographer|architect|baker|waiter|waitress|"
    "pensioner|translator|mechanic|painter|builder|cleaner|librarian|florist|dentist|vet|midwife|designer|"
    "graphic designer|software developer|software engineer|shift worker|night nurse|primary school teacher|"
    "music teacher|freelancer|social worker|physiotherapist|pharmacist|pilot|flight attendant"
)
