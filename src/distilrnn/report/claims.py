"""Claims in words: the effect first, then its interval, p and verdict; and the verdict on a whole experiment."""

from collections.abc import Mapping, Sequence

from distilrnn.evaluation.records import Claim
from distilrnn.report.formatting import number, percent, split_title

DETERMINISTIC = ("linear", "majority")
"""Kinds of systems that are the same with every seed."""
OUTCOMES = {"holds": "the claim holds", "fails": "the claim fails", "undecided": "undecided"}


def effect(claim: Claim) -> str:
    """The difference in accuracy and its interval: '+13.6 points (11.0 to 16.2)'."""
    low, high = claim.difference_accuracy_interval
    return f"{percent(claim.difference_accuracy, sign='+')} points ({percent(low)} to {percent(high)})"


def effect_mcc(claim: Claim) -> str:
    """The difference in MCC, its interval and p: 'MCC × 100 +20.0 (10.0 to 30.0), p < 0.001'."""
    low, high = claim.difference_mcc_interval
    difference = percent(claim.difference_mcc, sign="+")
    return f"MCC × 100 {difference} ({percent(low)} to {percent(high)}), {p_text(claim.p_mcc_holm)}"


def p_text(p: float) -> str:
    """A p value that is never rounded to 0."""
    return "p < 0.001" if p < 0.001 else f"p = {number(p, 3)}"


def claim_sentence(claim: Claim, names: Mapping[str, str]) -> str:
    """One claim in words; `names` has the systems' titles."""
    notes = [p_text(claim.p_holm)]
    single = [
        names[name]
        for name, kind, seeds in (
            (claim.better, claim.better_kind, claim.seeds.better),
            (claim.worse, claim.worse_kind, claim.seeds.worse),
        )
        if len(seeds) == 1 and kind not in DETERMINISTIC
    ]
    if single:
        notes.append(f"one seed of {' and of '.join(single)}")
    if not claim.decidable:
        notes.append("too few resamples to decide")
    return (
        f"{names[claim.better]} − {names[claim.worse]} on {split_title(claim.split)} = {effect(claim)}, "
        f"{', '.join(notes)}: {OUTCOMES[claim.verdict]}; in {effect_mcc(claim)}: {claim.verdict_mcc}."
    )


def verdict_sentences(claims: Sequence[Claim], names: Mapping[str, str], split: str) -> list[str]:
    """The verdict on an experiment in plain words, most important first.

    A control that beats the student comes first; then what distilling gains over the labels alone, and what it loses
    against the teacher, on the main split; then in how many comparisons the claimed order holds. `names` has the
    systems' titles.
    """
    if not claims:
        return ["No claim was tested."]
    on_main = [claim for claim in claims if claim.split == split]
    controls = [claim for claim in on_main if claim.family == "control"]
    sentences = [
        f"{names[claim.worse]} beats {names[claim.better]} {where(split)}: the student's difference is {effect(claim)}."
        for claim in controls
        if claim.verdict == "fails"
    ]
    gains = [claim for claim in on_main if (claim.better_kind, claim.worse_kind) == ("distilled", "baseline")]
    for gain in gains if len(gains) <= MOST_NAMED else []:
        sentences.append(_gain_sentence(gain, on_main, names))
    for better in dict.fromkeys(claim.better for claim in controls) if len(gains) <= MOST_NAMED else []:
        worse = [names[c.worse] for c in controls if c.better == better and c.verdict == "undecided"]
        if worse:
            sentences.append(f"{names[better]} is not shown to be better than: {', '.join(worse)}.")
    order = [claim for claim in claims if claim.family == "order"]
    return [*sentences, order_sentence(order, names)]


MOST_NAMED = 3
"""More distilled students are counted, not named."""
GAINS = {
    "holds": "Distilling pays",
    "fails": "Distilling hurts",
    "undecided": "Distilling is not shown to pay",
}


def _gain_sentence(gain: Claim, on_main: Sequence[Claim], names: Mapping[str, str]) -> str:
    """What one student gains over its baseline, and what it lacks of its teacher."""
    teacher = next(claim for claim in on_main if claim.family == "order" and claim.worse == gain.better)
    points = teacher.difference_accuracy
    lacks = f"its teacher is {percent(abs(points))} points {'better' if points >= 0 else 'worse'}"
    return (
        f"{GAINS[gain.verdict]}: {names[gain.better]} − {names[gain.worse]} = {effect(gain)}, {p_text(gain.p_holm)}, "
        f"{where(gain.split)}; {effect_mcc(gain)}; {lacks}."
    )


def where(split: str) -> str:
    """'on the in-domain dev set', 'on the out-of-domain dev set'."""
    return f"on the {split_title(split)} set"


def order_sentence(claims: Sequence[Claim], names: Mapping[str, str]) -> str:
    """In how many comparisons the claimed order holds, and what it is of: the systems' names where they are few."""
    first, second, third = (
        list(dict.fromkeys(names[getattr(claim, side)] for claim in claims if getattr(claim, f"{side}_kind") in kinds))
        for side, kinds in (
            ("better", ("teacher", "ensemble")),
            ("better", ("distilled",)),
            ("worse", ("baseline",)),
        )
    )
    chain = " > ".join(
        found[0] if len(found) == 1 else several
        for found, several in ((first, "teachers"), (second, "distilled students"), (third, "baselines"))
    )
    counts = {verdict: sum(claim.verdict == verdict for claim in claims) for verdict in OUTCOMES}
    if counts["holds"] == len(claims):
        tested = "the one comparison" if len(claims) == 1 else f"all {len(claims)} comparisons"
        return f"The order {chain} holds in {tested}."
    rest = {"undecided": "undecided", "fails": "reversed"}
    others = [f"{counts[verdict]} {'is' if counts[verdict] == 1 else 'are'} {word}" for verdict, word in rest.items()]
    others = [text for text, verdict in zip(others, rest, strict=True) if counts[verdict]]
    return f"The order {chain} holds in {counts['holds']} of {len(claims)} comparisons; {' and '.join(others)}."
