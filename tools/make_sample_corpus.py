#!/usr/bin/env python3
"""Makes sample/: a small corpus in the form of the UN corpus (IO tags, one token TAB tag a line), for machines where
that corpus cannot be had. Every sentence comes from the templates below, written for this purpose; the names are
combined at random, so the held-out part holds names that training has not seen. Same seed, same bytes.

    tools/make_sample_corpus.py [FOLDER]        (default: sample)

A few lines carry the dirt of the real corpus on purpose: stray tags, extra TABs, typographic quotes, a CRLF file."""
import os, random, re, sys

SENTENCES, FILES, SEED = 1500, 6, 2024
SLIP = 0.025  # names that the annotator missed or took for something else, as annotators do

COUNTRIES = """Norway Kenya Brazil Nepal Chile Ghana Latvia Jordan Fiji Peru Malta Chad Oman Cuba Iceland Mongolia Senegal
Croatia Bolivia Estonia Malawi Samoa Tunisia Portugal Vietnam Rwanda Ireland Lebanon Jamaica Slovenia Zambia Bhutan Uruguay
Angola Finland Morocco Panama Cyprus Haiti Tonga Georgia Niger Mali Austria Belize Gabon Greece Guyana Togo Eritrea
Costa_Rica Sri_Lanka New_Zealand Sierra_Leone South_Africa El_Salvador Burkina_Faso Marshall_Islands Papua_New_Guinea
Saint_Lucia Cabo_Verde Trinidad_and_Tobago United_Arab_Emirates Solomon_Islands Timor-Leste Côte_d’Ivoire""".split()
PLACES = """Geneva Nairobi Vienna Addis_Ababa Lima Kathmandu Doha Oslo Bamako Beirut Havana Lusaka Dakar Tbilisi Riga Kigali
Hanoi Amman Suva Accra Apia Santiago Kyoto Rio_de_Janeiro Cape_Town New_York The_Hague Marrakesh Cancún São_Paulo Zürich
Africa Asia Europe Latin_America the_Caribbean the_Pacific Central_America the_Sahel the_Horn_of_Africa the_Middle_East
the_Balkans Darfur Kosovo the_Great_Lakes Lake_Chad the_Aral_Sea the_Mekong Southern_Africa Western_Sahara
the_Andes the_Baltic_Sea the_Indian_Ocean the_Gulf_of_Guinea""".split()
GIVEN = """Amina Carlos Ingrid Kwame Leila Marek Nadia Olof Priya Rashid Sofia Tomás Ursula Viktor Wanjiru Xavier Yusuf Zora
Anders Beatriz Chidi Dalia Emil Fatou Goran Hanna Ivo Jelena Kofi Lars Mireille Nils Odile Pavel Quentin Rosa Sven Teresa
Ulrich Vera Wim Yara Zoltan Aisha Bruno Clara Dmitri Elena Farid Greta Hugo Ines Jonas Keita Lina Moussa Noor Otto""".split()
FAMILY = """Okafor Lindqvist Marchetti Nakagawa Pereira Haddad Kovács Mbeki Sørensen Tanaka Ulmanis Varga Wekesa Yilmaz
Zakaria Almeida Bergström Castellanos Diallo Ekholm Fonseca Gutiérrez Hartono Ivanov Jansen Kamau Lehtinen Moreau Ndiaye
Osei Petrov Quiroga Ramírez Sato Traoré Ueda Vasquez Weiss Yadav Zhang Abboud Banda Coelho Dlamini Eriksen Farouk
Gunnarsson Hosseini Itoh Joseph Keller Laurent Mensah Novak Oliveira Park Rahman Silva Thapa Urbina""".split()
BODIES = """General_Assembly|Security_Council|United_Nations|African_Union|European_Union|Secretariat|World_Bank|Red_Cross
Human_Rights_Council|Economic_and_Social_Council|International_Court_of_Justice|World_Health_Organization|UNICEF|UNESCO|UNHCR
IAEA|World_Trade_Organization|Arab_League|Group_of_77|Pacific_Islands_Forum|Caribbean_Community|International_Criminal_Court
International_Monetary_Fund|Commonwealth|NATO|ECOWAS|Peacebuilding_Commission|World_Food_Programme|UN-Women
Organization_of_American_States|Disarmament_Commission|Trusteeship_Council|Interpol|IGAD|ASEAN""".replace("\n", "|").split("|")
ORG_HEADS = """Institute|Council|Commission|Fund|Foundation|Agency|Committee|Alliance|Federation|Bank|Tribunal|Network|Office|
Association|Authority|Centre""".replace("\n", "").split("|")
ORG_THEMES = """Ocean_Research|Refugee_Relief|Rural_Credit|Water_Security|Mine_Clearance|Press_Freedom|Child_Protection|
Fair_Trade|Climate_Finance|Public_Health|Land_Reform|Space_Affairs|Small_Islands|Vaccine_Research|Peace_Studies|
Food_Security|Election_Monitoring|Renewable_Energy|Indigenous_Peoples|Border_Cooperation""".replace("\n", "").split("|")
DEMONYMS = """Norwegian Kenyan Brazilian Nepalese Chilean Ghanaian Latvian Jordanian Fijian Peruvian Maltese Cuban Icelandic
Mongolian Senegalese Croatian Bolivian Estonian Tunisian Portuguese Vietnamese Rwandan Irish Lebanese Jamaican African
European Asian Arab Caribbean Palestinian Israeli Finnish Moroccan Austrian Greek""".split()
TREATY_KINDS = "Convention|Protocol|Treaty|Agreement|Declaration|Accord|Charter|Consensus|Plan of Action|Programme".split("|")
EVENTS = """Millennium_Summit|Earth_Summit|Cold_War|Agenda_2030|Sustainable_Development_Goals|Millennium_Development_Goals|
Second_World_War|World_Water_Day|Universal_Declaration_of_Human_Rights|Non-Proliferation_Treaty|Olympic_Truce|Islam|Christian|
Muslim|Buddhist|English|French|Spanish|Holocaust|Rome_Statute|Arab_Spring|Geneva_Conventions|Doha_Round|
Convention_on_the_Rights_of_the_Child|Decade_of_Oceans|Law_of_the_Sea""".replace("\n", "").split("|")

WORDS = {
    "issue": """poverty|climate change|hunger|armed conflict|illicit trade in small arms|desertification|debt|terrorism|
the spread of disease|human trafficking|illiteracy|youth unemployment|rising seas|drought|organized crime|corruption|
forced displacement|the loss of biodiversity|inequality|nuclear proliferation""",
    "good": """peace|stability|justice|prosperity|equality|reform|development|dialogue|the rule of law|clean energy|education|
health care|free trade|disarmament|transparency|gender equality|food security|regional cooperation|reconciliation|
multilateralism""",
    "adj": """urgent|lasting|fragile|common|deep|fair|renewed|collective|bold|genuine|modest|tireless|shared|historic|timely|
unprecedented|practical|constructive""",
    "thing": """partnership|commitment|framework|mandate|initiative|report|proposal|agenda|ceasefire|mission|election|roadmap|
negotiation|budget|strategy|harvest|settlement|assistance package|peace process|resolution""",
    "people": """farmers|women|children|refugees|fishermen|young people|teachers|workers|peacekeepers|our citizens|families|
nurses|migrants|scientists|the poorest|local communities|small States|landlocked countries""",
    "did": "signed|ratified|endorsed|rejected|reviewed|launched|hosted|financed|welcomed|suspended|strengthened|proposed",
    "say": "believes|insists|maintains|hopes|stresses|regrets|acknowledges|recalls|warns|notes with concern",
    "title": "President|Prime Minister|Foreign Minister|Secretary-General|Ambassador|Special Envoy|King|Chairman|High Commissioner",
    "hon": "Mr.|Mrs.|Ms.|Dr.|Sir|Madam",
    "num": "two|three|five|twelve|40|150|2,500|nearly 300|over 10,000|several|many|countless",
    "when": """last year|this week|in 1998|in 2004|in 2011|two decades ago|in September|since 2015|at the last session|
ten years after the war|in recent months|on 12 March|every day""",
    "may": "must|should|can|will|may|ought to|cannot fail to",
    "verb": "support|defend|fund|monitor|rebuild|share|protect|implement|discuss|welcome|extend|join",
}
WORDS = {k: [w.strip() for w in v.replace("\n", "").split("|")] for k, v in WORDS.items()}

# {LOC}, {PER}, {ORG}, {MISC} and {DEM} (an adjective of nationality, tagged MISC) carry tags, {ANY} that of any kind of
# name; the rest are O.
TEMPLATES = """
The Government of {LOC} {say} that {good} depends on {adj} {good} .
{LOC} {did} the {MISC} {when} .
My delegation , that of {LOC} , {may} {verb} the work of the {ORG} .
{hon} {PER} , {title} of {LOC} , {did} a {adj} {thing} with the {ORG} .
We thank {PER} for the {adj} {thing} on {issue} .
In {LOC} , {num} {people} still suffer from {issue} .
The {ORG} {may} {verb} {people} in {LOC} and in {LOC} .
{DEM} {people} {may} not wait for the {ORG} to {verb} another {thing} .
It is in this spirit that {LOC} , {LOC} and {LOC} {did} the {MISC} .
The {DEM} {thing} , {did} {when} , has given {people} {adj} hope .
I congratulate {hon} {PER} on his election as {title} of the {ORG} .
I congratulate {hon} {PER} on her election , and I thank her predecessor , {hon} {PER} of {LOC} .
The {MISC} is a {adj} step against {issue} , as {PER} told the {ORG} {when} .
From {LOC} to {LOC} , {issue} threatens {people} .
{ORG} and {ORG} have {did} a {adj} {thing} on {good} .
Without {good} there {may} be no {good} , and without {good} no {adj} {thing} .
We {may} {verb} {people} who face {issue} {when} .
Let us be clear : {issue} knows no borders .
“ {issue} is the {adj} enemy of {good} , ” said {PER} {when} .
The war in {LOC} has driven {num} {people} into {LOC} .
{LOC} {say} that the {ORG} needs {adj} reform .
The island of {LOC} lost its {adj} harvest {when} .
Experts of the {ORG} met in {LOC} to {verb} the {MISC} .
As a party to the {MISC} , {LOC} {may} {verb} every {adj} {thing} .
{PER} and {PER} {did} the {thing} in {LOC} {when} .
Our country has {did} {num} {adj} {thing} s since independence .
No {thing} , however {adj} , {may} {verb} {people} from {issue} .
We call on all parties to {verb} the {thing} and to return to {good} .
The {title} of {LOC} , {hon} {PER} , reminded the {ORG} of the {MISC} .
{num} {people} were trained by the {ORG} in {LOC} {when} .
The people of {LOC} thank the {ORG} , the {ORG} and their {DEM} friends .
Trade between {LOC} and {LOC} has grown , but {issue} remains .
Allow me to quote {PER} , who wrote that {good} is a {adj} duty .
The {ORG} 's report on {LOC} describes {issue} in {adj} words .
The {DEM} and {DEM} delegations {did} the {thing} {when} .
What we need is {good} ; what we see is {issue} .
The {thing} adopted in {LOC} , known as the {MISC} , {may} {verb} {people} .
{LOC} has {num} {people} and one of the lowest incomes in {LOC} .
We pay tribute to the late {PER} , a {adj} friend of the {ORG} .
Only {LOC} and the {ORG} {did} the {adj} {thing} .
Since the {MISC} , {DEM} {people} have lived with {issue} .
May I also welcome {LOC} as the newest member of the {ORG} ?
The budget of the {ORG} {may} not depend on {LOC} alone .
The {MISC} and the {MISC} {may} guide us towards {good} .
{hon} {title} , the {adj} {thing} before us is about {good} , not about {issue} .
Thank you , {hon} {title} .
The {adj} {thing} between the {ORG} and {LOC} expired {when} .
{PER} , a {DEM} nurse , works for the {ORG} in {LOC} .
Peace in {LOC} is peace in {LOC} .
I speak on behalf of the {ORG} and of my own country , {LOC} .
We remember {ANY} .
{ANY} and {ANY} deserve our {adj} {thing} .
Nobody in this hall has forgotten {ANY} , nor {ANY} .
What {ANY} did {when} , {ANY} {may} {verb} .
Think of {ANY} , of {ANY} and of {num} {people} .
The {adj} {thing} began with {ANY} .
This is the lesson of {ANY} , and it is a lesson of {good} .
""".strip().split("\n")


def invented(rng):
    """A name that no model has seen: only its surroundings tell what it names, where they tell it at all."""
    return "".join(rng.choice(["ka", "ro", "min", "tel", "sha", "vu", "nor", "li", "gan", "ba", "zer", "o", "ny", "dal"])
                   for _ in range(rng.randint(2, 3))).capitalize()


def place(rng):
    if rng.random() < .12:
        return invented(rng)
    return rng.choice(COUNTRIES if rng.random() < .7 else PLACES).replace("_", " ")


def organisation(rng):
    """(words, tagged part): mostly bodies that recur, often new combinations, some around a place or a family name."""
    r = rng.random()
    if r < .06:
        return invented(rng)
    if r < .55:
        return rng.choice(BODIES).replace("_", " ")
    head, theme = rng.choice(ORG_HEADS), rng.choice(ORG_THEMES).replace("_", " ")
    if r < .75:
        return f"{theme} {head}"
    if r < .85:
        return f"{head} for {theme}"
    if r < .93:
        return f"{rng.choice(FAMILY)} {head}"
    return f"{rng.choice(['Bank', 'University', 'Supreme Court', 'Parliament'])} of {rng.choice(COUNTRIES).replace('_', ' ')}"


def misc(rng):
    r = rng.random()
    if r < .45:
        return rng.choice(EVENTS).replace("_", " ")
    if r < .8:
        where = rng.choice([p for p in PLACES if not p.startswith("the_")]).replace("_", " ")
        return f"{where} {rng.choice(TREATY_KINDS)}"
    return f"{rng.choice(TREATY_KINDS)} on {rng.choice(ORG_THEMES).replace('_', ' ')}"


def person(rng):
    r = rng.random()
    if r < .1:
        return invented(rng)
    if r < .6:
        return f"{rng.choice(GIVEN)} {rng.choice(FAMILY)}"
    return rng.choice(FAMILY) if r < .9 else f"{rng.choice(GIVEN)} {rng.choice('ABCDEFGHKLMNPRST')}. {rng.choice(FAMILY)}"


MAKERS = {"LOC": ("I-LOC", place), "PER": ("I-PER", person), "ORG": ("I-ORG", organisation), "MISC": ("I-MISC", misc),
          "DEM": ("I-MISC", lambda rng: rng.choice(DEMONYMS))}


def sentence(rng):
    out = []
    for part in rng.choice(TEMPLATES).split():
        key = part.strip("{}") if part.startswith("{") else None
        tag, maker = MAKERS.get(rng.choice(list(MAKERS)[:4]) if key == "ANY" else key, ("O", None))
        text = maker(rng) if maker else rng.choice(WORDS[key]) if key else part
        words = text.split()
        if tag != "O" and words[0] in ("the", "The"):  # the article is not part of a name
            out.append((words.pop(0), "O"))
        if tag != "O" and rng.random() < SLIP:
            tag = rng.choice(["O", "O", "I-MISC", "I-ORG", "I-LOC"])
        out += [(w, tag) for w in words]
    first = out[0][0]
    out[0] = (first[0].upper() + first[1:], out[0][1])
    return out


def join(rng):
    """One template, or two joined, so that lengths vary as in speeches."""
    s = sentence(rng)
    if rng.random() < .45 and s[-1][0] == ".":
        more = sentence(rng)
        w, t = more[0]
        if t == "O" and w not in ("I", "“") and w.rstrip(".") not in WORDS["hon"] and not w.endswith("."):
            more[0] = (w[0].lower() + w[1:], t)
        s = s[:-1] + [(rng.choice([",", ";", "–"]), "O"), (rng.choice(["and", "while", "for", "but"]), "O")] + more
    return s


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "sample")
    rng = random.Random(SEED)
    seen, sentences = set(), []
    while len(sentences) < SENTENCES:
        s = join(rng)
        if tuple(s) not in seen:
            seen.add(tuple(s))
            sentences.append(s)
    stray = ["0", "0", "I-", "VMISC", "I-PRG", "I-I-MISC"]  # in the place of O, as the preset un-ner undoes
    for i, tag in zip(rng.sample(range(SENTENCES), len(stray)), stray):
        k = rng.choice([k for k, (w, t) in enumerate(sentences[i]) if t == "O" and re.match(r"\w", w)])
        sentences[i][k] = (sentences[i][k][0], tag)
    os.makedirs(folder, exist_ok=True)
    per = SENTENCES // FILES
    for number in range(FILES):
        lines = []
        for i, s in enumerate(sentences[number * per:(number + 1) * per]):
            lines += [f"{w}\t{t}" for w, t in s]
            if number == 2 and i == 40:
                lines[-3] += "\t\t"          # extra columns, empty
            lines.append("" if number != 3 or i != 12 else " ")  # a separator that is not quite empty
        end = "\r\n" if number == 4 else "\n"
        with open(os.path.join(folder, f"speech {number + 1}.conll"), "w", encoding="utf8", newline="") as f:
            f.write("".join(line + end for line in lines))


main()
