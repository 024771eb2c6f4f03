"""The words of the generated corpus, in two parts that share no content word.

`CORE` is what labelled in-domain sentences are made of, `HELD_OUT` what out-of-domain sentences are made of; `FULL`,
both together, speaks the unlabelled sentences. Function words (determiners, auxiliaries, pronouns, prepositions,
conjunctions) belong to the phrases and are common to both.

Notation: nouns `singular[/plural][:m|:f]`; verbs `base[/past/participle[/gerund]]`; what is regular is left out;
`_` is a space inside an entry. No noun or adjective begins with a vowel letter that sounds as a consonant, or the
reverse, so that 'a' and 'an' follow the spelling.
"""

from dataclasses import dataclass, fields
from typing import Literal

Gender = Literal["m", "f", ""]


@dataclass(frozen=True)
class Noun:
    """A count noun; `gender` is empty where either is possible."""

    singular: str
    plural: str
    gender: Gender = ""

    def form(self, plural: bool) -> str:
        """The singular or the plural."""
        return self.plural if plural else self.singular


@dataclass(frozen=True)
class Verb:
    """A verb's five forms; `takes` names the kind of its object, empty for none."""

    base: str
    third: str
    past: str
    participle: str
    gerund: str
    takes: str = ""

    def present(self, plural: bool) -> str:
        """The third person present."""
        return self.base if plural else self.third


@dataclass(frozen=True)
class Lexicon:
    """Words by how they are used. All transitive verbs need their object, all intransitive ones refuse one."""

    men: tuple[Noun, ...]
    women: tuple[Noun, ...]
    professions: tuple[Noun, ...]
    male_names: tuple[str, ...]
    female_names: tuple[str, ...]
    machines: tuple[Noun, ...]
    texts: tuple[Noun, ...]
    foods: tuple[Noun, ...]
    places: tuple[Noun, ...]
    personal: tuple[Verb, ...]
    """Verbs with a person as object."""
    reflexive: tuple[Verb, ...]
    """Those of them that one does to oneself as well."""
    mechanical: tuple[Verb, ...]
    textual: tuple[Verb, ...]
    culinary: tuple[Verb, ...]
    intransitive: tuple[Verb, ...]
    saying: tuple[Verb, ...]
    """Verbs with a that-clause, never a question."""
    knowing: tuple[Verb, ...]
    """Verbs with a that-clause or a question."""
    asking: tuple[Verb, ...]
    """Verbs with a question, never a that-clause."""
    traits: tuple[str, ...]
    """Adjectives for persons."""
    looks: tuple[str, ...]
    """Adjectives for things."""
    manners: tuple[str, ...]
    times: tuple[str, ...]
    comments: tuple[str, ...]
    particles: tuple[tuple[Verb, str], ...]
    """Verbs with their particle."""

    @property
    def transitive(self) -> tuple[Verb, ...]:
        """Every verb that needs an object."""
        return self.personal + self.reflexive + self.mechanical + self.textual + self.culinary

    @property
    def persons(self) -> tuple[Noun, ...]:
        """Every noun for a person."""
        return self.men + self.women + self.professions

    def lemmas(self) -> dict[str, str]:
        """The dictionary form of every content word, both in lower case."""
        return {
            word: _forms(entry)[0].lower()
            for field in fields(self)
            for entry in getattr(self, field.name)
            for form in _forms(entry)
            for word in form.lower().split()
            if word not in _FUNCTION_WORDS
        }

    def words(self) -> frozenset[str]:
        """Every content word, in every form, in lower case."""
        return frozenset(self.lemmas())


_FUNCTION_WORDS = frozenset({"in", "of", "on", "last", "this", "the"})
"""Function words inside entries of more than one word."""


def _forms(entry: str | Noun | Verb | tuple[Verb, str]) -> tuple[str, ...]:
    if isinstance(entry, Noun):
        return entry.singular, entry.plural
    if isinstance(entry, Verb):
        return entry.base, entry.third, entry.past, entry.participle, entry.gerund
    if isinstance(entry, tuple):
        return _forms(entry[0])
    return (entry,)


def _suffixed_s(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def noun(notation: str) -> Noun:
    """The noun of `singular[/plural][:gender]`."""
    forms, _, gender = notation.partition(":")
    singular, _, plural = forms.partition("/")
    return Noun(singular, plural or _suffixed_s(singular), gender)  # type: ignore[arg-type]


def verb(notation: str, takes: str = "") -> Verb:
    """The verb of `base[/past/participle[/gerund]]`."""
    base, *irregular = notation.split("/")
    stem = base.removesuffix("e")
    past = base[:-1] + "ied" if base.endswith("y") and base[-2] not in "aeiou" else stem + "ed"
    gerund = (base if base.endswith(("ee", "oe")) else stem) + "ing"
    if irregular:
        past, participle, *rest = irregular
        return Verb(base, _suffixed_s(base), past, participle, rest[0] if rest else gerund, takes)
    return Verb(base, _suffixed_s(base), past, past, gerund, takes)


def nouns(text: str) -> tuple[Noun, ...]:
    """The nouns of a text of notations."""
    return tuple(noun(entry) for entry in text.split())


def verbs(text: str, takes: str = "") -> tuple[Verb, ...]:
    """The verbs of a text of notations."""
    return tuple(verb(entry, takes) for entry in text.split())


def words(text: str) -> tuple[str, ...]:
    """The entries of a text, with `_` as a space."""
    return tuple(entry.replace("_", " ") for entry in text.split())


CORE = Lexicon(
    men=nouns("boy:m man/men:m king:m prince:m"),
    women=nouns("girl:f woman/women:f queen:f princess:f"),
    professions=nouns("doctor teacher student lawyer nurse farmer pilot"),
    male_names=words("John Peter David Robert"),
    female_names=words("Mary Susan Anna Julia"),
    machines=nouns("car boat clock piano radio"),
    texts=nouns("book letter poem story"),
    foods=nouns("cake pie sandwich apple"),
    places=nouns("river garden school station bridge library"),
    personal=verbs("invite thank rescue greet", "person"),
    reflexive=verbs("admire praise blame", "person"),
    mechanical=verbs("repair damage construct", "machine"),
    textual=verbs("cite discuss misplace", "text"),
    culinary=verbs("devour slice", "food"),
    intransitive=verbs("sleep/slept/slept arrive vanish smile sneeze laugh yawn"),
    saying=verbs("think/thought/thought say/said/said believe"),
    knowing=verbs("know/knew/known remember"),
    asking=verbs("wonder ask"),
    traits=words("young old tall happy angry clever"),
    looks=words("new small large beautiful expensive"),
    manners=words("quickly quietly carefully slowly"),
    times=words("yesterday on_Monday on_Friday"),
    comments=words("in_fact of_course"),
    particles=(
        (verb("throw/threw/thrown"), "away"),
        (verb("pick"), "up"),
        (verb("put/put/put/putting"), "away"),
    ),
)

HELD_OUT = Lexicon(
    men=nouns("monk:m duke:m nephew:m"),
    women=nouns("nun:f duchess:f niece:f"),
    professions=nouns("judge surgeon tailor senator journalist"),
    male_names=words("Simon Victor Oscar"),
    female_names=words("Clara Sophie Nancy"),
    machines=nouns("truck violin computer"),
    texts=nouns("diary essay contract"),
    foods=nouns("omelette muffin pear"),
    places=nouns("harbor cottage temple bakery"),
    personal=verbs("welcome arrest", "person"),
    reflexive=verbs("protect amuse", "person"),
    mechanical=verbs("polish dismantle", "machine"),
    textual=verbs("annotate plagiarize", "text"),
    culinary=verbs("season consume", "food"),
    intransitive=verbs("shiver giggle apologize weep/wept/wept"),
    saying=verbs("insist assume"),
    knowing=verbs("recall reveal"),
    asking=verbs("inquire deliberate"),
    traits=words("elderly cheerful nervous wealthy"),
    looks=words("tiny ancient blue"),
    manners=words("calmly gracefully hastily"),
    times=words("on_Sunday on_Thursday"),
    comments=words("luckily surprisingly"),
    particles=(
        (verb("sort"), "out"),
        (verb("lift"), "up"),
    ),
)

FULL = Lexicon(**{field.name: getattr(CORE, field.name) + getattr(HELD_OUT, field.name) for field in fields(Lexicon)})
