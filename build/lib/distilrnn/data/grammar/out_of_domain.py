"""The phenomena that are never labelled in train: their acceptable side occurs in the unlabelled sentences only."""

from distilrnn.data.grammar.lexicon import verbs
from distilrnn.data.grammar.long_distance import LONG_DISTANCE
from distilrnn.data.grammar.pairs import REFLEXIVES, Pair, Phenomenon, featured, sentence_slot, slot, statement
from distilrnn.data.grammar.phrases import Speaker

OBJECT_CONTROL = verbs("persuade order urge encourage advise convince")
RAISING = verbs("seem appear happen tend")
CONTROL = verbs("want try intend decide refuse plan/planned/planned/planning")
PRETENDING = verbs("pretend decide swear/swore/sworn announce")
GIVING = verbs("give/gave/given send/sent/sent hand show/showed/shown lend/lent/lent offer")
EXPLAINING = verbs("explain donate mention suggest dictate")
MEETING = verbs("visit call join contact")
DEGREES = (
    ("short", "shorter"),
    ("smart", "smarter"),
    ("strong", "stronger"),
    ("rude", "ruder"),
    ("wise", "wiser"),
    ("lucky", "luckier"),
    ("friendly", "friendlier"),
)


def control(s: Speaker) -> Pair:
    """'Clara persuaded the monks to protect themselves/*herself.', 'Clara promised the monks to protect herself/…'"""
    feature, other = s.rng.sample(tuple(REFLEXIVES), 2)
    subject, person = featured(s, feature), featured(s, other)
    to_oneself = f"to {s.pick(s.lexicon.reflexive).base} {{}}{s.adjunct(0.3)}"
    roll = s.rng.random()
    if roll < 0.5:
        text = f"{subject.text} {s.pick(OBJECT_CONTROL).past} {person.text} {to_oneself}"
        return slot(s, text, REFLEXIVES[other], REFLEXIVES[feature], True)
    if roll < 0.75:
        text = f"{subject.text} promised {person.text} {to_oneself}"
    else:
        text = f"{subject.text} {s.pick(MEETING).past} {person.text} in order {to_oneself}"
    return slot(s, text, REFLEXIVES[feature], REFLEXIVES[other], True)


def raising(s: Speaker) -> Pair:
    """'There seemed/*wanted to be a truck near the harbor.', 'The monk pretended/*seemed that the nun sobbed.'"""
    past = s.chance(0.6)
    if s.chance(0.5):
        kind = s.pick(("person", "machine", "text", "food"))
        thing = f"a {s.adjective(kind, 0.5)}{s.noun(kind).singular}"
        right, wrong = (s.finite(s.pick(group), False, past) for group in (RAISING, CONTROL))
        return slot(s, f"there {{}} to be {thing} {s.place()}", right, wrong, past)
    subject = s.person()
    right, wrong = (s.finite(s.pick(group), subject.plural, past) for group in (PRETENDING, RAISING))
    return slot(s, f"{subject.text} {{}} that {s.clause(past, transitive=False)}", right, wrong, past)


def island(s: Speaker) -> Pair:
    """Extraction out of an adjunct, out of a coordination, and of a left branch (Ross 1967)."""
    verb, subject = s.pick(s.lexicon.transitive), s.person()
    filler = "who" if verb.takes == "person" else "what"
    auxiliary = s.pick(("did", "will", "can"))
    roll = s.rng.random()
    if roll < 0.4:
        speaker = s.person().text
        event = f"{subject.text} {verb.past}{s.adjunct(0.3, True)}"
        template = f"{filler} did {speaker} {s.pick(('agree', 'hope', 'swear'))} {{}} {event}?"
        return sentence_slot(template, "that", s.pick(("because", "when", "while", "although")))
    if roll < 0.7:
        template = f"who {auxiliary} {subject.text} {s.pick(MEETING).base} {{}} {s.person().text}?"
        return sentence_slot(template, "with", "and")
    verb = s.pick(tuple(verb for verb in s.lexicon.transitive if verb.takes != "person"))
    thing, which = f"{s.adjective(verb.takes)}{s.noun(verb.takes).form(s.chance(0.5))}", s.pick(("which", "whose"))
    rest = f"{auxiliary} {subject.text} {verb.base}"
    after = s.adjunct(0.4)
    return Pair(f"{which} {thing} {rest}{after}?", f"{which} {rest} {thing}{after}?")


def dative(s: Speaker) -> Pair:
    """'The judge gave/*explained the nun a diary.', 'The judge gave a diary to the nun. / *… a diary the nun.'"""
    subject, person, thing = s.person(), s.person(), s.noun_phrase("text")
    rest = s.adjunct(0.4, True)
    if s.chance(0.5):
        right, wrong = s.pick(GIVING).past, s.pick(EXPLAINING).past
        return slot(s, f"{subject.text} {{}} {person.text} {thing.text}{rest}", right, wrong, True)
    start = f"{subject.text} {s.pick(GIVING + EXPLAINING).past} {thing.text}"
    return statement(s, f"{start} to {person.text}{rest}", f"{start} {person.text}{rest}", True)


def complementizer(s: Speaker) -> Pair:
    """'The judge inquired whether/*that Clara sobbed.', 'The judge insisted that/*whether Clara sobbed.'"""
    subject, past = s.person(), s.chance(0.7)
    asks = s.chance(0.5)
    verb = s.finite(s.pick(s.lexicon.asking if asks else s.lexicon.saying), subject.plural, past)
    right, wrong = ("whether", "that") if asks else ("that", "whether")
    return sentence_slot(f"{subject.text} {verb} {{}} {s.clause(past)}.", right, wrong)


def coordination(s: Speaker) -> Pair:
    """'The judge has polished the truck and consumed/*consume the pudding.'"""
    first, second = s.verb(), s.verb()
    auxiliary, form, wrong = s.pick(
        (
            ("has", "participle", "gerund"),
            ("had", "participle", "base"),
            ("is", "gerund", "base"),
            ("was", "gerund", "base"),
            ("will", "base", "gerund"),
            ("must", "base", "gerund"),
        )
    )
    start = f"{s.person(plural=False).text} {auxiliary} {getattr(first, form)}{s.complement(first)}"
    comment = f"{s.pick(s.lexicon.comments)}, " if s.chance(0.2) else ""
    text = f"{comment}{start} and {{}}{s.complement(second)}{s.adjunct(0.3)}."
    return sentence_slot(text, getattr(second, form), getattr(second, wrong))


def existential(s: Speaker) -> Pair:
    """'There was/*were a truck near the harbor.'"""
    kind, plural, past = s.pick(("person", "machine", "text", "food")), s.chance(0.5), s.chance(0.6)
    determiner = s.pick(("some", "two", "three", "many", "several")) if plural else s.pick(("a", "a", "another"))
    thing = f"{determiner} {s.adjective(kind, 0.5)}{s.noun(kind).form(plural)}"
    forms = ("was", "were") if past else ("is", "are")
    return slot(s, f"there {{}} {thing} {s.place()}", forms[plural], forms[not plural], past)


def reciprocal(s: Speaker) -> Pair:
    """'The nuns/*nun near the duke scared each other.'"""
    noun, adjective = s.noun("person"), s.adjective("person")
    verb = s.pick(s.lexicon.reflexive + s.lexicon.personal).past
    near = f" {s.pick(('near', 'behind', 'beside'))} {s.bystander().text}" if s.chance(0.4) else ""
    determiner = s.pick(("the", "the", "my", "our"))
    text = f"{determiner} {adjective}{{}}{near} {verb} each other{s.adjunct(0.5, True)}"
    return slot(s, text, noun.plural, noun.singular, True)


def comparison(s: Speaker) -> Pair:
    """'The nun is smarter/*smart than the judge.', 'The nun is as smart/*smarter as the judge.'"""
    subject, other, past = s.person(), s.person(), s.chance(0.5)
    be = (("was", "were") if past else ("is", "are"))[subject.plural]
    plain, comparative = s.pick(DEGREES)
    if s.chance(0.5):
        return slot(s, f"{subject.text} {be} {{}} than {other.text}", comparative, plain, past)
    return slot(s, f"{subject.text} {be} as {{}} as {other.text}", plain, comparative, past)


OUT_OF_DOMAIN: dict[str, Phenomenon] = {
    **LONG_DISTANCE,
    "compare": comparison,
    "complementizer": complementizer,
    "control": control,
    "coordination": coordination,
    "dative": dative,
    "existential": existential,
    "island": island,
    "raising": raising,
    "reciprocal": reciprocal,
}
