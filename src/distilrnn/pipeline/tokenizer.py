"""Rule tokenizer: a student's own tokenizer, learned from train and transfer sources."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from distilrnn.artifacts.files import write_atomically, write_json
from distilrnn.data.corpus import iterate_split, read_summary
from distilrnn.data.tokenizer import learn_bpe, learn_words
from distilrnn.orchestration.code import code_version
from distilrnn.params.splits import TRAIN
from distilrnn.params.tokenize import LearnedTokenizerParams


class TokenizerRecord(LearnedTokenizerParams):
    """run.json: what a tokenizer was learned with, and what came of it."""

    code: str
    """The version of the code that made it."""
    sentences: int
    """That it was learned from."""
    entries: int


def learn_tokenizer(
    corpus: Path, texts: Sequence[Path], params: LearnedTokenizerParams, output: Path
) -> TokenizerRecord:
    """Learn a tokenizer; write tokenizer.json and run.json into `output`, and return the latter.

    It reads the training sentences and `texts`, files with one sentence per line, and no evaluation split.
    Raises InputError.
    """
    classes = len(read_summary(corpus).classes)
    count = 0

    def sentences() -> Iterator[str]:
        nonlocal count
        for example in iterate_split(corpus / f"{TRAIN}.tsv", classes):
            count += 1
            yield example.sentence
        for text in texts:
            with text.open(encoding="utf-8", newline="\n") as file:
                for line in file:
                    count += 1
                    yield line.removesuffix("\n")

    learn = {"bpe": learn_bpe, "word": learn_words}[params.learn]
    tokenizer = learn(sentences(), params.vocabulary, params.min_frequency, params.lowercase)
    entries = tokenizer.get_vocab_size(with_added_tokens=True)
    run = TokenizerRecord(**params.model_dump(), code=code_version("tokenizer"), sentences=count, entries=entries)
    write_atomically(output / "tokenizer.json", tokenizer.to_str())
    write_json(output / "run.json", run.model_dump(mode="json"))
    return run
