"""The embedded corpus: labelled minimal pairs and unlabelled text of a small English grammar of our own.

lexicon.py          the words: core, held out, full
phrases.py          noun phrases, clauses, frames
pairs.py            what a minimal pair is
in_domain.py        the phenomena of train and in-domain dev, spoken with the core lexicon
long_distance.py    those of out-of-domain dev whose two ends lie apart
out_of_domain.py    the other phenomena of out-of-domain dev; all are spoken with the held-out lexicon
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from random import Random

from distilrnn.data.grammar.in_domain import IN_DOMAIN
from distilrnn.data.grammar.lexicon import CORE, FULL, HELD_OUT, Lexicon
from distilrnn.data.grammar.out_of_domain import OUT_OF_DOMAIN
from distilrnn.data.grammar.pairs import Pair, Phenomenon
from distilrnn.data.grammar.phrases import Speaker
from distilrnn.errors import InputError

UNACCEPTABLE_SHARE = 0.3
SMALLEST_SPLIT = 20
"""Sentences of which the unacceptable share can be met within two points."""
LENGTHS = range(3, 21)
"""Words of a sentence."""
PATIENCE = 2000
"""Draws of one phenomenon without a new sentence after which it counts as exhausted."""

_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIO])")


@dataclass(frozen=True)
class Labelled:
    """One labelled sentence, a row of a CoLA-format split."""

    source: str
    """Code of the phenomenon."""
    label: int
    """1 acceptable, 0 unacceptable."""
    mark: str
    """'*' where unacceptable, else ''."""
    sentence: str


@dataclass(frozen=True)
class GeneratedCorpus:
    """The splits, each in random order, and the sentences for pre-training; no sentence occurs twice anywhere."""

    train: list[Labelled]
    in_domain_dev: list[Labelled]
    out_of_domain_dev: list[Labelled]
    unlabelled: list[str]


def generate(seed: int, train_size: int, dev_size: int, unlabelled_size: int) -> GeneratedCorpus:
    """The corpus of a seed: `train_size` and twice `dev_size` labelled sentences, `unlabelled_size` acceptable ones.

    30 % of a split are unacceptable. In the dev sets each has its acceptable twin, and the rest are further acceptable
    sentences of the same phenomena. Train has no twins: a part held out of it could not stand for new sentences if
    their twins, with the other label, had been learned. The dev sets depend on `seed` and `dev_size` only. Raises
    InputError for sizes that cannot be reached.
    """
    for name, size in (("train_size", train_size), ("dev_size", dev_size)):
        if size < SMALLEST_SPLIT:
            raise InputError(
                f"corpus.{name} is {size}, too few for a split of 30 % unacceptable sentences: "
                f"set it to {SMALLEST_SPLIT} or more"
            )
    if unlabelled_size < 0:
        raise InputError(f"corpus.unlabelled_size is {unlabelled_size}: set it to 0 or more")
    taken: set[str] = set()
    in_domain_dev = _split(Random(f"{seed} in-domain dev"), IN_DOMAIN, CORE, dev_size, taken, "dev_size", twins=True)
    out_of_domain_dev = _split(
        Random(f"{seed} out-of-domain dev"), OUT_OF_DOMAIN, HELD_OUT, dev_size, taken, "dev_size", twins=True
    )
    train = _split(Random(f"{seed} train"), IN_DOMAIN, CORE, train_size, taken, "train_size", twins=False)
    speaker = Speaker(Random(f"{seed} unlabelled"), FULL)
    phenomena = cycle((IN_DOMAIN | OUT_OF_DOMAIN).items())
    unlabelled = [
        _new_pair(speaker, *next(phenomena), taken, "unlabelled_size", paired=False).acceptable
        for _ in range(unlabelled_size)
    ]
    return GeneratedCorpus(train, in_domain_dev, out_of_domain_dev, unlabelled)


def _split(
    rng: Random,
    phenomena: Mapping[str, Phenomenon],
    lexicon: Lexicon,
    size: int,
    taken: set[str],
    size_name: str,
    *,
    twins: bool,
) -> list[Labelled]:
    """A split in random order, its phenomena alike often; adds its sentences to `taken`."""
    speaker = Speaker(rng, lexicon)
    rows: list[Labelled] = []
    unacceptable = round(UNACCEPTABLE_SHARE * size)
    codes = _shuffled_cycle(rng, list(phenomena))
    for position in range(size - unacceptable if twins else size):
        code = next(codes)
        paired = position < unacceptable
        pair = _new_pair(speaker, code, phenomena[code], taken, size_name, paired=paired)
        if twins or not paired:
            rows.append(Labelled(code, 1, "", pair.acceptable))
        if paired:
            rows.append(Labelled(code, 0, "*", pair.unacceptable))
    rng.shuffle(rows)
    return rows


def _shuffled_cycle(rng: Random, items: list[str]) -> Iterator[str]:
    while True:
        rng.shuffle(items)
        yield from items


def _new_pair(
    speaker: Speaker, code: str, phenomenon: Phenomenon, taken: set[str], size_name: str, *, paired: bool
) -> Pair:
    """A pair that is new: its acceptable member, and where `paired` the other too, is added to `taken`."""
    for _ in range(PATIENCE):
        pair = Pair(*map(_written, phenomenon(speaker)))
        sentences = pair if paired else pair[:1]
        if _is_natural(pair.acceptable) and taken.isdisjoint(sentences):
            taken.update(sentences)
            return pair
    raise InputError(
        f"corpus.{size_name} asks for more different sentences than the grammar yields (none is left of the phenomenon "
        f"{code}): make it smaller"
    )


def _is_natural(sentence: str) -> bool:
    """Whether the length is right and no content word is said twice, in whatever form."""
    words = sentence.lower().rstrip(".?").replace(",", "").split()
    content = [_LEMMAS[word] for word in words if word in _LEMMAS]
    return len(words) in LENGTHS and len(content) == len(set(content))


_LEMMAS = FULL.lemmas()


def _written(sentence: str) -> str:
    """With 'an' before vowels and a capital first letter."""
    sentence = _ARTICLE.sub(r"\1n ", sentence)
    return sentence[0].upper() + sentence[1:]
