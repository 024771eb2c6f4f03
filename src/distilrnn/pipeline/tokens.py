"""Rule tokenize: token ids of every sentence, streamed to Arrow files by `datasets`."""

from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO

import numpy as np
from tokenizers import Tokenizer

from distilrnn.artifacts.files import file_hash, whole_file, write_atomically
from distilrnn.data.corpus import iterate_split, read_summary
from distilrnn.data.encoded import EncodedCounts, EncodedSummary
from distilrnn.data.long_texts import TextLimit, affixes, windows
from distilrnn.data.tokenizer import load_tokenizer, pad_id_of
from distilrnn.errors import InputError
from distilrnn.params.common import Policy

BATCH = 1000


def tokenize_corpus(
    corpus: Path,
    source: Path,
    max_length: int | None,
    output: Path,
    long_texts: Policy = "head",
    longest_text: int | None = None,
) -> EncodedSummary:
    """Tokenise the splits of `corpus` into `output`, and return tokens.json.

    Texts longer than `max_length` tokens are refused, cut, or kept for windows as `long_texts` says, and counted;
    `longest_text` limits what is kept for windows. Raises InputError, before anything is written where
    the tokenizer cannot be read.
    """
    tokenizer = load_tokenizer(source)
    summary = read_summary(corpus)
    text = tokenizer.to_str()
    pad_id = pad_id_of(tokenizer, source)
    limit = TextLimit(long_texts, max_length, longest_text, *affixes(tokenizer))
    if max_length is not None and max_length <= limit.prefix + limit.suffix:
        raise InputError(
            f"tokenize.max_length is {max_length}, and {source} puts {limit.prefix + limit.suffix} tokens around each "
            "text: raise it"
        )
    with ExitStack() as files:
        counts = {}
        for split in summary.splits:
            file = files.enter_context(whole_file(output / f"{split}.arrow"))
            corpus_file = corpus / f"{split}.tsv"
            counts[split] = _tokenize_split(corpus_file, len(summary.classes), tokenizer, limit, file)
    write_atomically(output / "tokenizer.json", text)
    made = EncodedSummary(
        corpus_hash=summary.hash,
        classes=summary.classes,
        tokenizer_hash=file_hash(output / "tokenizer.json"),
        vocabulary=tokenizer.get_vocab_size(with_added_tokens=True),
        pad_id=pad_id,
        max_length=max_length,
        long_texts=limit,
        splits=counts,
    )
    made.write(output / "tokens.json")
    return made


def _tokenize_split(
    path: Path, classes: int, tokenizer: Tokenizer, limit: TextLimit, output: IO[bytes]
) -> EncodedCounts:
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
                if limit.policy == "error" and limit.is_long(len(sentence)):
                    raise InputError(
                        f"{path}:{number}: a text of {len(sentence)} tokens, more than tokenize.max_length "
                        f"{limit.max_length}: set tokenize.long_texts to head, tail, head_tail or windows"
                    )
            batch_lengths = [len(sentence) for sentence in ids]
            columns = ([e.label for e in batch], [limit.cut(sentence) for sentence in ids], batch_lengths)
            writer.write_batch(dict(zip(features, columns, strict=True)))
            lengths += batch_lengths
        writer.finalize(close_stream=False)
    cut = limit.limit if limit.limit is not None else max(lengths)
    in_windows = {}
    if limit.policy == "windows":
        in_windows["in_windows"] = sum(map(limit.is_long, lengths))
        in_windows["windows"] = len(windows(np.minimum(lengths, cut), limit).texts)
    return EncodedCounts(
        sentences=len(lengths),
        tokens=sum(min(length, cut) for length in lengths),
        longest=max(lengths),
        mean=round(sum(lengths) / len(lengths), 2),
        truncated=sum(length > cut for length in lengths),
        **in_windows,
    )
