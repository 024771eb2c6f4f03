"""Rule tokenize: token ids of every sentence, streamed to Arrow files by `datasets`."""

from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO

from tokenizers import Tokenizer

from distilrnn.artifacts.files import file_hash, whole_file, write_atomically, write_json
from distilrnn.data.corpus import iterate_split, read_summary
from distilrnn.data.tokenizer import load_tokenizer, pad_id_of
from distilrnn.errors import InputError

BATCH = 1000


def tokenize_corpus(corpus: Path, source: Path, max_length: int | None, output: Path) -> dict:
    """Tokenise the splits of `corpus` into `output`, and return tokens.json.

    Sentences longer than `max_length` tokens are cut, and counted. Raises InputError, before anything is written where
    the tokenizer cannot be read.
    """
    tokenizer = load_tokenizer(source)
    summary = read_summary(corpus)
    text = tokenizer.to_str()
    pad_id = pad_id_of(tokenizer, source)
    with ExitStack() as files:
        counts = {}
        for split in summary["splits"]:
            file = files.enter_context(whole_file(output / f"{split}.arrow"))
            corpus_file = corpus / f"{split}.tsv"
            counts[split] = _tokenize_split(corpus_file, len(summary["classes"]), tokenizer, max_length, file)
    write_atomically(output / "tokenizer.json", text)
    tokens = {
        "corpus_hash": summary["hash"],
        "classes": summary["classes"],
        "tokenizer_hash": file_hash(output / "tokenizer.json"),
        "vocabulary": tokenizer.get_vocab_size(with_added_tokens=True),
        "pad_id": pad_id,
        "max_length": max_length,
        "splits": counts,
    }
    write_json(output / "tokens.json", tokens)
    return tokens


def _tokenize_split(
    path: Path, classes: int, tokenizer: Tokenizer, max_length: int | None, output: IO[bytes]
) -> dict[str, int | float]:
    from datasets import Features, List, Value
    from datasets.arrow_writer import ArrowWriter

    features = Features({"label": Value("int64"), "ids": List(Value("int32")), "length": Value("int32")})
    examples = iterate_split(path, classes)
    lengths: list[int] = []
    with ArrowWriter(stream=output, features=features) as writer:
        while batch := list(islice(examples, BATCH)):
            ids = [encoding.ids for encoding in tokenizer.encode_batch_fast([e.sentence for e in batch])]
            for number, sentence in enumerate(ids, len(lengths) + 1):
                if not sentence:
                    raise InputError(f"{path}:{number}: the sentence has no tokens: fix it or remove the row")
            batch_lengths = [len(sentence) for sentence in ids]
            columns = ([e.label for e in batch], [sentence[:max_length] for sentence in ids], batch_lengths)
            writer.write_batch(dict(zip(features, columns, strict=True)))
            lengths += batch_lengths
        writer.finalize(close_stream=False)
    cut = max_length if max_length is not None else max(lengths)
    return {
        "sentences": len(lengths),
        "tokens": sum(min(length, cut) for length in lengths),
        "longest": max(lengths),
        "mean": round(sum(lengths) / len(lengths), 2),
        "truncated": sum(length > cut for length in lengths),
    }
