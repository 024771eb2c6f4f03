"""Write the text that CoLA's teacher is to judge into `data/cola`: `python experiments/cola/make_text.py`.

Natural sentences, BLiMP's and the ERG's, and changed copies of CoLA's own training sentences (none of those held out of
it). No label is read but to find the held-out part. The natural sentences and BLiMP's that were not drawn are for an
encoder's pre-training, and no teacher need score them: `more.txt`.
"""

import random
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from distilrnn.data.corpus import read_split
from distilrnn.data.holdout import split_holdout
from distilrnn.params.common import SelectionParams

FEWEST, MOST = 3, 20
"""Words of a sentence."""
EVERYTHING = 10**9
LOOSE = re.compile(r"\s+([.?!,;:])")
EDGE = ""
"""What stands before the first word and behind the last."""


def read_lines(path: Path, sentences: int, rng: random.Random) -> list[str]:
    """So many of the file's sentences of 3 to 20 words, drawn at random, with punctuation joined to its word."""
    lines = [LOOSE.sub(r"\1", line.strip()) for line in path.read_text(encoding="utf-8").splitlines()]
    fitting = [line for line in lines if FEWEST <= len(line.split()) <= MOST]
    return rng.sample(fitting, min(sentences, len(fitting)))


class Changer:
    """Changes sentences in one of four ways, chosen at random: two in three are still near to a sentence of CoLA.

    One to three words become ones that stand between the same neighbours in another sentence (1 in 2); a word is left
    out (15 in 100); two neighbours change places (15 in 100); the end becomes that of another sentence with a word in
    common (1 in 5).
    """

    def __init__(self, sentences: list[str], rng: random.Random) -> None:
        self.rng = rng
        self.sentences = [sentence.split() for sentence in sentences]
        self.between: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.with_word: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for number, words in enumerate(self.sentences):
            padded = [EDGE, *words, EDGE]
            for place, word in enumerate(words):
                self.between[padded[place], padded[place + 2]].append(word)
                if 0 < place < len(words) - 1:
                    self.with_word[word].append((number, place))

    def copies(self, count: int) -> Iterator[str]:
        """So many changed copies of every sentence."""
        for words in self.sentences:
            for _ in range(count):
                changed = " ".join(self._change(list(words)))
                yield changed[:1].upper() + changed[1:]

    def _change(self, words: list[str]) -> list[str]:
        way, last = self.rng.random(), len(words) - 1
        if way < 0.5 or last < 2:
            for _ in range(self.rng.randint(1, 3)):
                place = self.rng.randrange(len(words))
                padded = [EDGE, *words, EDGE]
                words[place] = self.rng.choice(self.between.get((padded[place], padded[place + 2]), [words[place]]))
        elif way < 0.65:
            del words[self.rng.randrange(last)]
        elif way < 0.8:
            place = self.rng.randrange(last - 1)
            words[place], words[place + 1] = words[place + 1], words[place]
        else:
            place = self.rng.randint(1, last - 1)
            number, other = self.rng.choice(self.with_word[words[place]])
            words[place:] = self.sentences[number][other:]
        return words


def main(
    cola: Annotated[Path, typer.Option(help="Folder of CoLA's raw TSV files.")] = Path("../shared/cola"),
    text: Annotated[Path, typer.Option(help="Folder of the unlabelled text.")] = Path("../shared/text"),
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("data/cola"),
    natural: Annotated[int, typer.Option(help="Natural sentences, two thirds of Tatoeba.")] = 15_000,
    blimp: Annotated[int, typer.Option(help="Sentences of BLiMP.")] = 36_000,
    copies: Annotated[int, typer.Option(help="Changed copies of each training sentence.")] = 16,
    seed: Annotated[int, typer.Option(help="Seed of every choice.")] = 0,
) -> None:
    """Write natural.txt, blimp.txt, erg.txt, changed.txt and more.txt."""
    rng = random.Random(seed)
    train = read_split(cola / "in_domain_train.tsv")
    learned, _ = split_holdout(np.array([example.label for example in train]), SelectionParams())
    tatoeba = 2 * natural // 3
    texts = {
        "natural": read_lines(text / "tatoeba_en.txt", tatoeba, rng)
        + read_lines(text / "common_voice_en.txt", natural - tatoeba, rng),
        "blimp": read_lines(text / "blimp_en.txt", blimp, rng),
        "erg": read_lines(text / "erg_en.txt", EVERYTHING, rng),
        "changed": sorted(set(Changer([train[row].sentence for row in learned], rng).copies(copies))),
    }
    drawn = {*texts["natural"], *texts["blimp"]}
    large = ("tatoeba_en.txt", "common_voice_en.txt", "blimp_en.txt")
    everything = [line for name in large for line in read_lines(text / name, EVERYTHING, rng)]
    texts["more"] = [line for line in dict.fromkeys(everything) if line not in drawn]
    output.mkdir(parents=True, exist_ok=True)
    for name, sentences in texts.items():
        (output / f"{name}.txt").write_text("".join(f"{sentence}\n" for sentence in sentences), encoding="utf-8")
        typer.echo(f"{output / name}.txt: {len(sentences):,} sentences")


if __name__ == "__main__":
    typer.run(main)
