"""Phrases and clauses, drawn at random from a lexicon: the syntax that all phenomena share."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple, TypeVar

from distilrnn.data.grammar.lexicon import Gender, Lexicon, Noun, Verb

Item = TypeVar("Item")

PREPOSITIONS = ("near", "behind", "beside", "in front of")
NOMINATIVE = ("I", "he", "she", "we", "they")
ACCUSATIVE = {"I": "me", "he": "him", "she": "her", "we": "us", "they": "them"}
AUXILIARIES = {
    "base": (("will", "will"), ("can", "can"), ("must", "must"), ("might", "might")),
    "participle": (("has", "have"), ("had", "had")),
    "gerund": (("is", "are"), ("was", "were")),
}
"""The (singular, plural) auxiliaries that call for each form of the verb."""


EMBELLISHMENT = 0.5
"""Share of the optional adjectives, adjuncts and frames that are spoken: short sentences can be learned from few."""


class Phrase(NamedTuple):
    """A noun phrase: its words, its number, and its gender where only one is possible."""

    text: str
    plural: bool
    gender: Gender = ""


class Speaker:
    """Draws words and phrases from `lexicon`, every choice from `rng`."""

    def __init__(self, rng: Random, lexicon: Lexicon) -> None:
        self.rng = rng
        self.lexicon = lexicon
        self._kinds = {
            "person": lexicon.persons,
            "machine": lexicon.machines,
            "text": lexicon.texts,
            "food": lexicon.foods,
        }

    def chance(self, probability: float) -> bool:
        """True with `probability`."""
        return self.rng.random() < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """One of `items`, each as likely."""
        return items[int(self.rng.random() * len(items))]

    def noun(self, kind: str) -> Noun:
        """A noun for a person, machine, text or food."""
        return self.pick(self._kinds[kind])

    def adjective(self, kind: str, probability: float = 0.3) -> str:
        """'' or an adjective that suits the kind, with a space behind it."""
        if not self.chance(probability if probability == 1 else EMBELLISHMENT * probability):
            return ""
        return self.pick(self.lexicon.traits if kind == "person" else self.lexicon.looks) + " "

    def determiner(self, plural: bool) -> str:
        """A determiner that suits the number; mostly 'the'."""
        if self.chance(0.6):
            return "the"
        return self.pick(("some", "my", "our", "two", "three", "the")) if plural else self.pick(("a", "my", "our", "a"))

    def noun_phrase(self, kind: str, plural: bool | None = None, adjective: float = 0.3) -> Phrase:
        """Determiner, perhaps an adjective, noun."""
        return self.phrase(self.noun(kind), kind, self.chance(0.5) if plural is None else plural, adjective)

    def phrase(self, noun: Noun, kind: str, plural: bool, adjective: float = 0.3) -> Phrase:
        """The noun phrase of a given noun."""
        text = f"{self.determiner(plural)} {self.adjective(kind, adjective)}{noun.form(plural)}"
        return Phrase(text, plural, noun.gender)

    def name(self, gender: Gender = "") -> Phrase:
        """A proper name."""
        gender = gender or self.pick(("m", "f"))
        return Phrase(self.pick(self.lexicon.male_names if gender == "m" else self.lexicon.female_names), False, gender)

    def gendered(self, gender: Gender) -> Phrase:
        """A singular name or noun phrase of the gender."""
        if self.chance(0.3):
            return self.name(gender)
        return self.phrase(self.pick(self.lexicon.men if gender == "m" else self.lexicon.women), "person", False)

    def couple(self) -> Phrase:
        """Two persons joined by 'and'."""
        return Phrase(f"{self.name().text} and {self.noun_phrase('person', False).text}", True)

    def person(self, plural: bool | None = None) -> Phrase:
        """A person or persons: a noun phrase, a name, or two joined by 'and'; singular and plural alike often."""
        plural = self.chance(0.5) if plural is None else plural
        if self.chance(0.25):
            return self.couple() if plural else self.name()
        return self.noun_phrase("person", plural)

    def bystander(self, plural: bool | None = None) -> Phrase:
        """A person or persons inside another phrase, never joined by 'and'.

        'The girl near Mary and the king smile' would be right, if meant as the girl, and the king.
        """
        plural = self.chance(0.5) if plural is None else plural
        return self.name() if not plural and self.chance(0.25) else self.noun_phrase("person", plural, 0.15)

    def object_of(self, verb: Verb, plural: bool | None = None) -> Phrase:
        """An object that suits the verb."""
        return self.person(plural) if verb.takes == "person" else self.noun_phrase(verb.takes, plural)

    def place(self) -> str:
        """'near the old bridge'."""
        look = self.adjective("place", 0.2)
        return f"{self.pick(PREPOSITIONS)} the {look}{self.pick(self.lexicon.places).singular}"

    def time(self) -> str:
        """'yesterday'."""
        return self.pick(self.lexicon.times)

    def adjunct(self, probability: float = 0.5, time: bool = False) -> str:
        """'' or, with a space before it, a manner, a place or (where the tense allows it) a time."""
        if not self.chance(EMBELLISHMENT * probability):
            return ""
        roll = self.rng.random()
        if roll < 0.4:
            return " " + self.pick(self.lexicon.manners)
        return " " + (self.time() if time and roll < 0.7 else self.place())

    def verb(self) -> Verb:
        """A verb, transitive half of the time."""
        return self.pick(self.lexicon.transitive if self.chance(0.5) else self.lexicon.intransitive)

    def complement(self, verb: Verb) -> str:
        """The verb's object with a space before it, '' where it takes none."""
        return f" {self.object_of(verb).text}" if verb.takes else ""

    def finite(self, verb: Verb, plural: bool, past: bool) -> str:
        """The past, or the third person present of the number."""
        return verb.past if past else verb.present(plural)

    def clause(self, past: bool, transitive: bool = True) -> str:
        """A whole declarative clause; without `transitive` none of its verbs has an object."""
        subject = self.person()
        verb = self.verb() if transitive else self.pick(self.lexicon.intransitive)
        return (
            f"{subject.text} {self.finite(verb, subject.plural, past)}{self.complement(verb)}{self.adjunct(0.3, past)}"
        )

    def relative(self, plural: bool, past: bool) -> str:
        """'who admires the girls' or 'who the girls admire', on a person or persons."""
        verb = self.pick(self.lexicon.personal + self.lexicon.reflexive)
        other = self.bystander()
        if self.chance(0.5):
            return f"{self.pick(('who', 'that'))} {self.finite(verb, plural, past)} {other.text}"
        return f"{self.pick(('who', 'that'))} {other.text} {self.finite(verb, other.plural, past)}"

    def frame(self, past: bool) -> tuple[str, str]:
        """What may stand before and after a statement: nothing, a comment, a main clause, a subordinate clause.

        No frame licenses a negative polarity item or lends an object: what follows a statement is intransitive, since
        an object in a second clause could be the one that the first lacks ('he praised, and she blamed, the king').
        """
        roll = self.rng.random() / EMBELLISHMENT
        if roll < 0.12:
            speaker, verb = self.person(), self.pick(self.lexicon.saying)
            return f"{speaker.text} {self.finite(verb, speaker.plural, past)} that ", ""
        if roll < 0.20:
            return f"{self.time() if past and self.chance(0.5) else self.pick(self.lexicon.comments)}, ", ""
        if roll < 0.30:
            return f"{self.pick(('when', 'because', 'while', 'although'))} {self.clause(past)}, ", ""
        if roll < 0.38:
            return "", f", {self.pick(('but', 'and', 'so'))} {self.clause(past, transitive=False)}"
        if roll < 0.46:
            return "", f" {self.pick(('when', 'because', 'while', 'although'))} {self.clause(past, transitive=False)}"
        return "", ""
