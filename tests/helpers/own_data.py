"""A small table of one's own, written in every format."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq

from distilrnn.params.corpus import CorpusParams

TOPICS = ("cooking", "sport", "travel", "weather")
ROWS = [
    ("It rains .", "weather"),
    ('He said "no", twice .', "sport"),
    ("Über alles: שלום 👩‍👩‍👧", "travel"),
    ("The soup , hot .", "cooking"),
    ("  Two spaces  within .", "weather"),
]


def write_csv(path, rows=ROWS, header=("text", "label"), delimiter=",", encoding="utf-8"):
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=delimiter).writerows([header, *rows])


def write_jsonl(path, rows=ROWS):
    path.write_text(
        "".join(json.dumps({"more": 1, "label": label, "text": text}) + "\n" for text, label in rows), encoding="utf-8"
    )


def write_parquet(path, rows=ROWS):
    texts, labels = zip(*rows, strict=True)
    pq.write_table(pa.table({"more": [None] * len(rows), "text": texts, "label": labels}), path, row_group_size=2)


WRITERS = {
    ".csv": write_csv,
    ".tsv": lambda path: write_csv(path, delimiter="\t"),
    ".jsonl": write_jsonl,
    ".ndjson": write_jsonl,
    ".json": write_jsonl,
    ".parquet": write_parquet,
    ".CSV": lambda path: write_csv(path, encoding="utf-8-sig"),
}


def files(train, **more):
    return CorpusParams(source="files", **{"train": str(train), "dev": str(train)} | more)
