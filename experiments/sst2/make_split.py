"""Split SST-2's train into 2,000 labelled phrases and the text of the rest: `python experiments/sst2/make_split.py`.

Reads train.tsv, dev.tsv and test.tsv of GLUE's SST-2 and writes CSV files and `unlabelled.txt` into `data/sst2`.
"""

import csv
import random
import unicodedata
from pathlib import Path
from typing import Annotated

import typer

CLASSES = {"0": "negative", "1": "positive"}

Row = tuple[str, str]
"""Label and text."""


def read_rows(path: Path) -> list[Row]:
    """The rows of a file with a header, whose first column is the label."""
    with path.open(encoding="utf-8") as file:
        next(file)
        rows = [line.rstrip("\n").split("\t") for line in file]
    return [(label, text.strip()) for label, text in rows]


def normalise(text: str) -> str:
    """Letters and digits alone, without case: what two texts must differ in to be two."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def write_table(path: Path, rows: list[Row]) -> None:
    """A CSV file with the columns text and label."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((text, CLASSES[label]) for label, text in rows)


def main(
    source: Annotated[Path, typer.Option(help="Folder of train.tsv, dev.tsv and test.tsv.")] = Path("../shared/sst2"),
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("data/sst2"),
    labelled: Annotated[int, typer.Option(help="Training phrases that keep their label.")] = 2000,
    seed: Annotated[int, typer.Option(help="Seed of the choice.")] = 0,
) -> None:
    """Write train.csv, dev.csv, test.csv and unlabelled.txt."""
    train, dev, test = (read_rows(source / f"{split}.tsv") for split in ("train", "dev", "test"))
    seen = {normalise(text) for _, text in dev + test} | {""}
    rows = []
    for label, text in train:
        key = normalise(text)
        if key not in seen:
            seen.add(key)
            rows.append((label, text))
    random.Random(seed).shuffle(rows)
    output.mkdir(parents=True, exist_ok=True)
    for split, some in (("train", rows[:labelled]), ("dev", dev), ("test", test)):
        write_table(output / f"{split}.csv", some)
    with (output / "unlabelled.txt").open("w", encoding="utf-8") as file:
        file.writelines(f"{text}\n" for _, text in rows[labelled:])
    typer.echo(f"{output}: {len(rows[:labelled]):,} labelled and {len(rows[labelled:]):,} unlabelled phrases")


if __name__ == "__main__":
    typer.run(main)
