"""Phenomena whose two ends lie apart: what a phrase or clause between them must not disturb. Held out of train.

Each function draws one minimal pair, with the contrasts crossed as in `in_domain`.
"""

from distilrnn.data.grammar.in_domain import agreeing
from distilrnn.data.grammar.pairs import REFLEXIVES, Pair, Phenomenon, featured, sentence_slot, slot
from distilrnn.data.grammar.phrases import Speaker


def across_phrase(s: Speaker) -> Pair:
    """'The letters behind the clock are/*is old.'"""
    kind = s.pick(("person", "person", "machine", "text", "food"))
    head = s.noun_phrase(kind, adjective=0.15)
    plural = head.plural != s.chance(0.6)
    if kind == "person" and s.chance(0.6):
        between = s.bystander(plural)
    else:
        between = s.noun_phrase("machine" if kind == "person" else kind, plural, 0.15)
    right, wrong, rest, past = agreeing(s, head.plural, kind)
    preposition = s.pick(("near", "behind", "beside", "with" if kind == "person" else "near"))
    return slot(s, f"{head.text} {preposition} {between.text} {{}}{rest}", right, wrong, past)


def across_clause(s: Speaker) -> Pair:
    """'The girl who the kings praise smiles/*smile.'"""
    head = s.noun_phrase("person", adjective=0.15)
    right, wrong, rest, past = agreeing(s, head.plural)
    return slot(s, f"{head.text} {s.relative(head.plural, past or s.chance(0.4))} {{}}{rest}", right, wrong, past)


def anaphor(s: Speaker) -> Pair:
    """'The girl behind the kings admired herself/*himself/*themselves.'"""
    feature, other = s.rng.sample(tuple(REFLEXIVES), 2)
    right, wrong = REFLEXIVES[feature], REFLEXIVES[other]
    subject, past = featured(s, feature), s.chance(0.6)
    action = f"{s.finite(s.pick(s.lexicon.reflexive), subject.plural, past)} {{}}"
    roll = s.rng.random()
    if roll < 0.25:
        speaker = featured(s, other)
        says = s.finite(s.pick(s.lexicon.saying), speaker.plural, past)
        adjunct = s.adjunct(0.2, past)
        return sentence_slot(f"{speaker.text} {says} that {subject.text} {action}{adjunct}.", right, wrong)
    modifier = ""
    if roll < 0.65 and not subject.text[0].isupper():
        met = s.pick(("near", "behind", "beside", "who"))
        if met == "who":
            met = f"who {s.finite(s.pick(s.lexicon.personal), subject.plural, past)}"
        modifier = f" {met} {featured(s, other, joined=False).text}"
    return slot(s, f"{subject.text}{modifier} {action}{s.adjunct(0.3, past)}", right, wrong, past)


def filler_gap(s: Speaker) -> Pair:
    """'Mary knew what/*that the boy repaired.', 'Mary knew that/*what the boy repaired the car.'"""
    verb = s.pick(s.lexicon.transitive)
    filler = "who" if verb.takes == "person" else "what"
    gap = s.chance(0.5)
    subject = s.person()
    rest = ("" if gap else f" {s.object_of(verb).text}") + s.adjunct(0.4)
    if s.chance(0.3):
        auxiliary = s.pick(("did", "did", "will", "can", "must"))
        question = f"{auxiliary} {subject.text} {verb.base}{rest}?"
        return Pair(f"{filler} {question}", question) if gap else Pair(question, f"{filler} {question}")
    knower, past = s.person(), s.chance(0.7)
    knows = s.finite(s.pick(s.lexicon.knowing), knower.plural, past)
    action = (
        s.finite(verb, subject.plural, True)
        if s.chance(0.7)
        else f"{'have' if subject.plural else 'has'} {verb.participle}"
    )
    right, wrong = (filler, "that") if gap else ("that", filler)
    return slot(s, f"{knower.text} {knows} {{}} {subject.text} {action}{rest}", right, wrong, past)


LONG_DISTANCE: dict[str, Phenomenon] = {
    "agree-pp": across_phrase,
    "agree-rc": across_clause,
    "anaphor": anaphor,
    "gap": filler_gap,
}
