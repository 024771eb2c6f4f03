"""Minimal pairs: an acceptable sentence and an unacceptable one that differ in a word or in word order."""

from collections.abc import Callable
from typing import NamedTuple

from distilrnn.data.grammar.lexicon import Gender
from distilrnn.data.grammar.phrases import Phrase, Speaker


class Pair(NamedTuple):
    """An acceptable sentence and its unacceptable twin, not yet capitalised."""

    acceptable: str
    unacceptable: str


Phenomenon = Callable[[Speaker], Pair]

REFLEXIVES: dict[Gender, str] = {"m": "himself", "f": "herself", "": "themselves"}
"""By the feature of the antecedent, as in `featured`."""


def statement(s: Speaker, acceptable: str, unacceptable: str, past: bool) -> Pair:
    """Both members in the same frame."""
    before, after = s.frame(past)
    return Pair(f"{before}{acceptable}{after}.", f"{before}{unacceptable}{after}.")


def slot(s: Speaker, template: str, right: str, wrong: str, past: bool) -> Pair:
    """The framed pair of a template with one open slot, `{}`."""
    return statement(s, template.format(right), template.format(wrong), past)


def sentence_slot(template: str, right: str, wrong: str) -> Pair:
    """The pair of a whole sentence with one open slot."""
    return Pair(template.format(right), template.format(wrong))


def featured(s: Speaker, feature: Gender, joined: bool = True) -> Phrase:
    """A masculine ('m') or feminine ('f') singular, or a plural (''), with `joined` perhaps two joined by 'and'."""
    if feature:
        return s.gendered(feature)
    return s.person(plural=True) if joined else s.bystander(plural=True)
