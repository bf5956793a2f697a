"""Short texts for the teacher to embed: the model's own vocabulary in sentences, and our own labelled calls varied."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence

from elaaoms.evaluation import extraction_set, injection_set
from elaaoms.words import STOP_WORDS

# {w} is any word of the vocabulary, frequent ones more often.
_FRAMES = (
    """
{w}|{w} {w}|{w} {w} {w}|the {w} of the {w}|{w} and {w}|a {w} with a {w}|{w} {w} {w} {w}
The {w} was {w}.|Her {w} is {w}.|They {w} the {w} {w}.|I {w} my {w} in {w}.|He wants to {w} the {w}.
My {w} {w} last week.|She said the {w} had {w}.|We went to {w} for the {w}.|It was a {w} {w}.
The caller's {w} is {w}.|The caller has a {w} {w}.|The caller {w} the {w} on Monday.|The caller prefers {w} to {w}.
The caller is {w} about the {w}.|The caller wants {w} {w}.|The caller asked about {w}.|Caller works as a {w} in {w}.
What {w} does the caller have?|Which {w} did she {w}?|When was the {w} {w}?|Where is the {w}?|Who {w} the {w}?
Why did he {w} {w}?|How many {w} are {w}?|Is the caller {w}?|Does he like {w}?|Has the {w} been {w}?
What did she say about {w} and {w}?|anything about {w}?|any {w} with {w}?|{w} details|caller's {w}|previous {w} {w}
Oh, the {w}! That's {w}.|I'm going to {w} with my {w} tomorrow.|Thanks, I love {w} too.|Yeah, I've been {w} a lot lately.
do we know if she {w} the {w}|how did the {w} go|what was wrong with the {w}|who usually {w} the {w}|where should we {w} it
is there anything special about the {w}|what kind of {w} does he prefer|how does she feel about {w}|when can we {w} them
did they ever {w} a {w}|what time is the {w}|how much did the {w} cost|who else {w} there|which {w} was it again|why is he {w}
what does he use for {w}|has she had any {w} problems|what happened with the {w} last year|anyone we should {w} instead
does the {w} need {w}|can he still {w}|what is she {w} for|how long has the {w} been {w}|what should we never {w}
The {w} arrived with a broken {w}.|He told us his {w} was {w} in the {w}.|They will {w} the {w} before the {w}.
She {w} every {w} because of her {w}.|We agreed to {w} the {w} for {n} pounds.|Their {w} is called {w}.|His {w} {w} at the {w}.
The {w} keeps {w} at night.|She gave us {n} {w}.|The caller does not want a {w}.|She only {w} on Sundays.|He is the {w} of a {w}.
No, the {w} didn't {w}.|It cost {n} dollars for the {w}.|At {n} o'clock the {w} {w}.|{n} {w} and {n} {w}|{w} number {n}
""".replace("\n", "|")
    .strip("|")
    .split("|")
)

# What callers of shops, clinics, banks, hotels, utilities and clubs say of themselves, and what agents ask.
_WHO = """The caller;Caller;She;He;The customer;The patient;The member;The guest;The client;I;My wife;Her husband;His
daughter;Her son;My mother;The caller's partner;His father;Their neighbour;Her boss;The caller's brother""".replace(
    "\n", " "
).split(";")
_DID = """moved to {place};is allergic to {food};cannot eat {food};likes {food};drinks {drink};works as a {job};teaches {subject};
drives a {colour} {car};owns a {pet};has {n} {pet}s;lives on the {n}th floor in {place};plays {hobby};collects {thing}s;
bought a {colour} {thing};returned the {thing};is waiting for a refund for the {thing};complained about the {thing};
ordered {n} {thing}s;lost the {thing};broke the {thing};never received the {thing};was charged twice for the {thing};
wants the {thing} delivered to {place};prefers calls in the {time};prefers {channel};does not want {channel};
hates {hobby};started {hobby} last {season};has an appointment on {day};cancelled the booking for {day};
will be in {place} until {day};has trouble with {body} pain;takes {medicine} for {body} problems;was diagnosed with {illness};
had surgery on the {body};is recovering from {illness};uses a {aid};is pregnant;is vegetarian;is retired;got married in {season};
is getting divorced;has a new baby;is expecting a baby;lost a parent;is moving house in {season};is unhappy with the {service};
was very happy with the {service};cannot afford the {service};wants to cancel the {service};upgraded the {service};
pays by {payment};pays for the {service} every {period};forgot the password for the {service};changed banks;
speaks {language};grew up in {place};studied {subject} in {place};travels to {place} every {season};is afraid of {fear};
celebrates a birthday in {season};supports the {place} team;lives alone;cares for an elderly relative;is a night owl;gets up early;
has poor eyesight;is hard of hearing;needs a ground floor room;wants a quiet room away from the lift;asked for {channel};
was promised a callback on {day};was promised a discount on the {service};is angry that nobody called back;
feels anxious about {fear};was relieved about the {thing};is saving for a {thing};wants a loan for a {thing};
works nights at the {work};runs a small {work};commutes to {place} by train;is training for a marathon;is learning to drive; sings in a choir;volunteers at the {work};goes to church on Sundays;keeps bees;bakes cakes for friends;grows vegetables; reads crime novels;watches the news every {time};plays the {instrument} in a band;goes camping each {season}; keeps the keys at the neighbour's;leaves the gate locked;has a doorbell that does not work;wants parcels left in the shed; lives up three flights of stairs;has nowhere to park;has a new front door code;shares the flat with two friends;rents the {room}; bought the house in {season};is selling the flat;wants to rent out a {room};has a mortgage with another bank; was refused a loan;paid the bill late;disputes a charge on the {payment};cancelled the {payment};asked for a receipt; wants a copy of the contract;is entitled to a student discount;has a voucher worth twenty euros;collects loyalty points; missed the last appointment;was kept waiting for an hour;wants to see the same doctor again;needs an interpreter; is nervous before injections;cannot swallow tablets;has a pacemaker;wears contact lenses;had a bad reaction to {medicine}; sleeps badly;snores loudly;feels dizzy in the {time};hurt the {body} while playing {hobby};gave up smoking;stopped drinking; has a sore {body};broke a {body} last {season};is waiting for test results;needs a new prescription for {medicine}; asked for a cot in the room;will arrive after midnight;wants breakfast in bed;is bringing a {pet};comes for a conference; is celebrating a wedding anniversary;asked for a late checkout;booked a table for {n};wants a seat by the window; has a gas boiler that makes noise;had a power cut last {season};wants a smart meter;moved the router to the {room}; has slow broadband in the {room};was cut off for two days;reads the meter every {period};has a rusty pipe in the {room}; joined the club in {season};froze the membership;plays in the second {hobby} team;lost the membership card;wants a locker; is afraid of the deep end;coaches children in {hobby};twisted an ankle on the court;won the {season} tournament; thinks the price is too high;was shouted at by a member of staff;praised the friendly staff;threatened to leave; received the wrong size;wants to exchange the {colour} {thing} for a {colour} one;found a scratch on the {thing}; says the {thing} smells odd;needs spare parts for the {thing};lost the manual of the {thing};is missing a screw; wants the {thing} gift wrapped;ordered the {thing} for a birthday present;has a warranty for the {thing} until {day}; can only be reached after work;does not hear the phone at the {work};wants nobody to leave messages;shares the phone with the {kin}; lets the {kin} decide;is the {kin} of a member of staff;named the {kin} as emergency contact;looks after the {kin}; argues with the {kin};lost touch with the {kin};is worried about the {kin};visits the {kin} every {period}; buried the {kin} in {season};adopted a {pet};lost a {pet};has twins;is a widower;is single;is engaged to a {job}; dislikes being called by first name;prefers a female {job};likes small talk;is in a hurry;is often impatient;laughs a lot; sounded exhausted;was close to tears;was delighted with the {thing};felt ignored;felt embarrassed about the {payment}; has solar panels;heats with gas;has no internet  in the {time};reported a leak in the {room};the {room} is being renovated""".replace(
    "\n", " "
).split(";")
_ASKS = """what does the caller eat or avoid?;any dietary restrictions?;what should we not serve?;what are they intolerant to?;
does she have pets?;what animals live with him?;who else lives in the household?;family members?;children and relatives;
what do they do for a living?;occupation or profession;employer;how do they get around?;what vehicle?;means of transport;
where do they live?;current address or home town;did they relocate?;best time to phone?;when can we reach them?;
how should we contact them?;preferred way of communication;how do they settle bills?;payment method;financial situation;
money owed back;was money returned?;outstanding complaint;unresolved problem;what went wrong?;is something broken or missing?;
did a parcel get lost?;late shipment;what did they purchase?;recent orders;upcoming visit;next reservation;when is the booking?;
medical condition;health problems;what medication?;is there an injury?;disability or special needs;accessibility needs;mobility;
what sports or pastimes?;leisure interests;favourite food;what beverage?;mood on the phone;was the customer upset?;
how satisfied were they?;why are they leaving?;subscription plan;contract changes;what did we promise?;commitments we made;
special occasion;anniversary or birthday;marital status;is she married?;education and studies;mother tongue;
travel plans;holiday destination;room preferences at the hotel;sleeping habits;fears and worries;hearing or vision impairment;
what keeps her awake?;how do we get into the building?;where can the driver leave it?;is there a way to park?;how many steps up?;
does he rent or own?;who is their landlord?;any relatives with us?;who should we ring in an emergency?;who can speak on their behalf?;
has a family member died?;is the marriage all right?;does she have little ones?;who shares the home?;what do they grow or cook?;
how does he spend evenings?;what music?;which team?;what do they read?;any faith or religion?;does she exercise?;bad habits?;
what hurts?;was there an accident?;what should the doctor know?;bad reactions to drugs?;how is the sleep?;results outstanding?;
what did we get wrong?;who was rude?;what made them laugh?;are they in a rush?;how should we address them?;tone of the last call;
is there a guarantee?;what colour or size?;swap for another;something scratched or faulty;parts that were absent;gift for whom?;
do they get money off?;coupons and points;how far behind with payments?;any disputed transaction?;which institution holds the loan?;
what time will they turn up?;who comes along?;where do they want to sit?;what is being celebrated?;extra bed or crib;
is the connection fast enough?;when was the supply interrupted?;noise from the heating;pipes and leaks;reading of the meter;
since when are they with us?;is the subscription on hold?;which sport and level?;lost cards or keys;storage at the club;
when is a bad moment to ring?;may we leave a message?;whose phone is it?;how to write to them?;which tongue do they speak best?;
home energy;heating system;internet outage;water damage;home improvements;savings goal;credit or mortgage;login trouble""".replace(
    "\n", " "
).split(";")
_SLOTS = {
    "work": "hospital;bakery;school;factory;hotel;garage;farm;library;theatre;airport;supermarket;office;restaurant;shelter",
    "instrument": "guitar;drums;piano;trumpet;cello;flute",
    "kin": "grandmother;uncle;niece;stepson;sister;father;mother-in-law;husband;wife;cousin;grandson;aunt;daughter",
    "place": "Leeds;Lisbon;Boston;a small village;the coast;Berlin;Ohio;the city centre;Scotland;a farm;the suburbs;Madrid;Canada;Tokyo",
    "food": "peanuts;shellfish;gluten;dairy;eggs;spicy curry;chocolate;fish;bread;strawberries;cheese;mushrooms;red meat;soy",
    "drink": "black coffee;green tea;red wine;oat milk;no alcohol;beer;orange juice;decaf",
    "job": "nurse;teacher;lorry driver;plumber;lawyer;baker;pilot;farmer;accountant;engineer;musician;chef;waiter;carpenter;student",
    "subject": "history;maths;biology;law;music;chemistry;literature;medicine;economics",
    "colour": "red;blue;black;green;white;grey;yellow;pink;silver",
    "car": "van;estate car;motorbike;bicycle;pickup;electric car;hybrid;scooter",
    "pet": "dog;cat;parrot;rabbit;horse;goldfish;hamster;tortoise;puppy",
    "hobby": "chess;tennis;football;the violin;golf;gardening;swimming;running;yoga;painting;fishing;hiking;the piano;cycling",
    "thing": "laptop;sofa;dress;phone;lamp;kettle;book;camera;watch;washing machine;ring;coat;mattress;bike;stamp;table;parcel;suitcase;card;house;car",
    "time": "morning;evening;afternoon;weekend;lunch break;night",
    "channel": "e-mail;text messages;phone calls;letters by post;a video call;newsletters;voicemail",
    "season": "spring;summer;autumn;winter;March;December;May;September",
    "day": "Monday;Friday;the third of May;12 June;next week;Christmas;the weekend;tomorrow",
    "body": "back;knee;heart;shoulder;stomach;neck;eye;tooth;hip;foot",
    "medicine": "insulin;antibiotics;painkillers;vitamins;an inhaler;blood thinners;tablets",
    "illness": "diabetes;asthma;flu;cancer;arthritis;migraine;depression;high blood pressure;a broken leg",
    "aid": "wheelchair;hearing aid;walking stick;pair of crutches;guide dog;stair lift",
    "service": "broadband;insurance;gym membership;electricity tariff;savings account;mobile plan;premium plan;tour;newspaper;course;spa",
    "payment": "credit card;bank transfer;cash;direct debit;cheque;instalments;invoice",
    "period": "month;year;quarter;week",
    "language": "Spanish;Polish;German;sign language;French;Arabic;Italian",
    "fear": "flying;needles;dogs;heights;the operation;the exam;losing the job;storms",
    "room": "kitchen;bathroom;cellar;bedroom;roof;garage;garden;hall",
}  # fmt: skip
_CONTENT = re.compile(r"[A-Za-z]{4,}")


def sentences(vocabulary: Sequence[str], count: int, seed: int = 7) -> list[str]:
    """`count` different short texts, the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    words = [token for token in vocabulary if token.isascii() and token.isalpha() and len(token) > 2]
    frequent = [1 / (rank + 300) for rank in range(len(words))]  # a vocabulary stands in order of frequency
    found = dict.fromkeys(token for token in vocabulary if token.isalnum())
    makers = [
        _framed(chance, words, frequent),
        _framed(chance, words, None),
        _stated(chance),
        _varied(chance, words, frequent),
    ]
    shares = (0.25, 0.1, 0.35, 0.3)
    while len(found) < count:
        (maker,) = chance.choices(makers, shares)
        found[next(maker)] = None
    return list(found)[:count]


def _framed(chance: random.Random, words: Sequence[str], weights: Sequence[float] | None) -> Iterator[str]:
    pool: list[str] = []
    while True:
        if len(pool) < 10:
            pool = chance.choices(words, weights, k=10_000)
        frame = re.sub(r"\{w\}", lambda _, pool=pool: pool.pop(), chance.choice(_FRAMES))
        yield frame.replace("{n}", str(chance.choice((2, 3, 5, 8, 10, 15, 20, 45, 100, 250, 1999))))


def _stated(chance: random.Random) -> Iterator[str]:
    slots = {name: values.split(";") for name, values in _SLOTS.items()} | {"n": ["2", "3", "4", "12"]}

    def said() -> str:
        did = chance.choice(_DID).strip()
        return re.sub(r"\{(\w+)\}", lambda slot: chance.choice(slots[slot[1]]), did)

    while True:
        pick = chance.random()
        if pick < 0.2:
            yield f"{chance.choice(_ASKS).strip()} {chance.choice(slots[chance.choice(list(slots))])}"
        elif pick < 0.7:
            yield f"{chance.choice(_WHO)} {said()}."
        else:
            yield f"{chance.choice(_WHO)} {said()} and {said()}."


def _varied(chance: random.Random, words: Sequence[str], weights: Sequence[float]) -> Iterator[str]:
    """Sentences of our own labelled English calls, with some of their words exchanged."""
    ours = []
    for case in (*extraction_set(), *injection_set()):
        if case["language"] == "en":
            ours += [turn["message"] for turn in case["transcript"]["data"]["transcript"] if turn["message"]]
            ours += [fact["content"] for fact in case.get("facts", case.get("benign", ()))]
    pieces = [
        piece for text in ours for piece in re.split(r"(?<=[.!?])\s+", text) if 2 <= len(piece.split()) <= 24
    ]
    pool: list[str] = []
    while True:
        if len(pool) < 30:
            pool = chance.choices(words, weights, k=10_000)
        piece = chance.choice(pieces)
        yield _CONTENT.sub(
            lambda word, pool=pool: (
                word[0] if word[0].lower() in STOP_WORDS or chance.random() < 0.85 else pool.pop()
            ),
            piece,
        )
