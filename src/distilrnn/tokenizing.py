"""Sentences to token ids: any fast tokenizer, batched, streamed to Arrow files by `datasets`."""

from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import IO

from tokenizers import AddedToken, Tokenizer
from tokenizers.implementations import ByteLevelBPETokenizer

from distilrnn.checkpoint import file_hash, read_json, whole_file, write_atomically, write_json
from distilrnn.corpus import iterate_split, read_summary
from distilrnn.errors import BadInput

END_OF_TEXT = "<|endoftext|>"
BATCH = 1000


def load_tokenizer(source: Path) -> Tokenizer:
    """The tokenizer in a tokenizer.json, a folder with one, or a folder with GPT-2's vocab.json and merges.txt.

    Raises:
        BadInput: there is none, or it cannot be read.
    """
    tokenizer = _read_tokenizer(source)
    # Padding and cutting are ours to do, whatever the file says.
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def _read_tokenizer(source: Path) -> Tokenizer:
    file = source / "tokenizer.json" if source.is_dir() else source
    vocabulary, merges = source / "vocab.json", source / "merges.txt"
    try:
        if file.is_file():
            return Tokenizer.from_file(str(file))
        if vocabulary.is_file() and merges.is_file():
            bpe = ByteLevelBPETokenizer(str(vocabulary), str(merges))
            bpe.add_special_tokens([AddedToken(END_OF_TEXT, normalized=False)])
            return Tokenizer.from_str(bpe.to_str())
    except Exception as error:  # the tokenizers library raises bare Exception
        raise BadInput(
            f"{source}: is not a tokenizer that can be read ({' '.join(str(error).split())[:200]}): name another"
        ) from None
    raise BadInput(f"{source}: has no tokenizer.json (nor vocab.json with merges.txt): name a folder that has")


def pad_id_of(tokenizer: Tokenizer, source: Path) -> int:
    """The id to pad with: the tokenizer's pad token, else its end-of-text token, as its own settings name them."""
    settings_file = (source if source.is_dir() else source.parent) / "tokenizer_config.json"
    settings = read_json(settings_file) if settings_file.is_file() else {}
    if not isinstance(settings, dict):
        raise BadInput(f"{settings_file}: holds no settings: make it again, or remove it")
    for role in ("pad_token", "eos_token"):
        token = settings.get(role)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and tokenizer.token_to_id(token) is not None:
            return int(tokenizer.token_to_id(token))
    for token in (END_OF_TEXT, "</s>", "[PAD]", "<pad>"):
        if tokenizer.token_to_id(token) is not None:
            return int(tokenizer.token_to_id(token))
    raise BadInput(f"{source}: names no padding or end-of-text token: set pad_token in its tokenizer_config.json")


def tokenize_corpus(corpus: Path, source: Path, max_length: int | None, output: Path) -> dict:
    """Tokenise the splits of `corpus` into `output`, and return tokens.json.

    Sentences longer than `max_length` tokens are cut, and counted. Raises BadInput, before anything is written where
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
                    raise BadInput(f"{path}:{number}: the sentence has no token: mend it or remove the row")
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
