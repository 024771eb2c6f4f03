"""Changed copies of sentences: Tang et al. 2019 (arXiv 1903.12136, section 4.3), and the usual noise beside them.

Each word draws one number: it is masked, replaced, left out, or changes places with the next one, or stays. With the
chance `ngram` the result is then cut to an n-gram of 1 to 5 words. The defaults are the paper's rates. The paper takes
a word of the same part of speech from the data; part of speech is approximated here without a tagger, by the word's
ending, its capital letter and its frequency: all words of a class end alike and are about equally frequent.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from random import Random

from distilrnn.params.transfer import AugmentSource

LONGEST_NGRAM = 5
WORD = re.compile(r"\w")
ENDINGS = re.compile(
    r"(?:ing|ed|ly|ness|ment|tion|sion|ity|able|ible|ous|ful|less|ive|ish|est|er|al|ic|y|'s|s|n't|e)$", re.IGNORECASE
)
MOST_WORDS = 200_000
"""Different words that are remembered as replacements: the first that occur."""

WordClass = tuple[str, bool, int]
"""Ending, capital letter, and the logarithm of the frequency to base 4."""


class Vocabulary:
    """The words of some sentences in classes of similar form and frequency."""

    def __init__(self, sentences: Iterable[str]) -> None:
        counts: Counter[str] = Counter()
        for sentence in sentences:
            for word in sentence.split():
                core = word_core(word)
                if core and (len(counts) < MOST_WORDS or core in counts):
                    counts[core] += 1
        self.counts = counts
        self.classes: dict[WordClass, list[str]] = defaultdict(list)
        for word in counts:
            self.classes[self.word_class(word)].append(word)

    def word_class(self, word: str) -> WordClass:
        """The class of a word, without punctuation."""
        ending = ENDINGS.search(word) if len(word) > 3 else None
        frequency = (max(self.counts[word], 1).bit_length() - 1) // 2
        return (ending[0].lower() if ending else f"{len(word) <= 3}", word[0].isupper(), frequency)

    def like(self, word: str, random: Random) -> str:
        """Another word of the class, with the same punctuation around it; the word itself where it is alone."""
        core = word_core(word)
        others = self.classes.get(self.word_class(core), ()) if core else ()
        if len(others) < 2:
            return word
        chosen = random.choice(others)
        while chosen == core:
            chosen = random.choice(others)
        return word.replace(core, chosen, 1)


def word_core(word: str) -> str:
    """A word without the punctuation around it; empty where it is nothing else."""
    found = [place for place, character in enumerate(word) if WORD.match(character)]
    return word[found[0] : found[-1] + 1] if found else ""


def augmented(sentences: Iterable[str], vocabulary: Vocabulary, params: AugmentSource, seed: int) -> Iterator[str]:
    """`copies` changed copies of each sentence, in its place; what is drawn depends on the seed and the place alone."""
    for place, sentence in enumerate(sentences):
        words = sentence.split()
        random = Random(f"{seed} {place}")
        for _ in range(params.copies):
            yield " ".join(changed(words, vocabulary, params, random))


def changed(words: list[str], vocabulary: Vocabulary, params: AugmentSource, random: Random) -> list[str]:
    """The words of one copy; at least one word is left."""
    mask = params.mask
    replace = mask + params.replace
    drop = replace + params.drop
    swap = drop + params.swap
    made: list[str] = []
    swapped = None
    for place, word in enumerate(words):
        draw = random.random()
        if draw < mask:
            core = word_core(word)
            word = word.replace(core, params.mask_token, 1) if core else word
        elif draw < replace:
            word = vocabulary.like(word, random)
        elif draw < drop:
            continue
        elif draw < swap and place + 1 < len(words) and swapped is None:
            swapped = word
            continue
        made.append(word)
        if swapped is not None:
            made.append(swapped)
            swapped = None
    if swapped is not None:
        made.append(swapped)
    if not made:
        made = [random.choice(words)]
    if random.random() < params.ngram:
        length = random.randint(1, min(LONGEST_NGRAM, len(made)))
        start = random.randint(0, len(made) - length)
        made = made[start : start + length]
    return made
