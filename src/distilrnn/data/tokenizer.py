"""Sentences to token ids: any fast tokenizer, batched, streamed to Arrow files by `datasets`."""

from collections.abc import Iterator
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.implementations import ByteLevelBPETokenizer

from distilrnn.artifacts.files import read_json
from distilrnn.errors import InputError

END_OF_TEXT = "<|endoftext|>"
PAD, UNKNOWN = "[PAD]", "[UNK]"
WORDS = r"(?i)\d+(?:[.,]\d+)*|\w+(?=n't\b)|n't\b|'(?:s|m|d|re|ve|ll)\b|\w+|\.{2,}|-{2,}|``|''|[^\w\s]"
"""What a word tokenizer finds: numbers, words, English clitics as the Penn Treebank and GloVe part them, and signs."""


def load_tokenizer(source: Path) -> Tokenizer:
    """The tokenizer in a tokenizer.json, a folder with one, or a folder with GPT-2's vocab.json and merges.txt.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    tokenizer = _read_tokenizer(source)
    # Padding and truncation are done here, whatever the file says.
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
        raise InputError(
            f"{source}: not a readable tokenizer ({' '.join(str(error).split())[:200]}): choose another"
        ) from None
    raise InputError(f"{source}: has no tokenizer.json (nor vocab.json with merges.txt): name a folder that has")


def pad_id_of(tokenizer: Tokenizer, source: Path) -> int:
    """The id to pad with: the tokenizer's pad token, else its end-of-text token, as its own settings name them."""
    settings_file = (source if source.is_dir() else source.parent) / "tokenizer_config.json"
    settings = read_json(settings_file) if settings_file.is_file() else {}
    if not isinstance(settings, dict):
        raise InputError(f"{settings_file}: holds no settings: make it again, or remove it")
    for role in ("pad_token", "eos_token"):
        token = settings.get(role)
        token = token.get("content") if isinstance(token, dict) else token
        if isinstance(token, str) and (token_id := tokenizer.token_to_id(token)) is not None:
            return token_id
    for token in (END_OF_TEXT, "</s>", "[PAD]", "<pad>"):
        if (token_id := tokenizer.token_to_id(token)) is not None:
            return token_id
    raise InputError(f"{source}: names no padding or end-of-text token: set pad_token in its tokenizer_config.json")


def learn_bpe(sentences: Iterator[str], vocabulary: int, min_frequency: int, lowercase: bool) -> Tokenizer:
    """A byte-level BPE (Radford et al. 2019) of at most `vocabulary` entries, the first of which ends a text.

    A sentence's first word is read as those behind it are, so that none has two entries.
    """
    bpe = ByteLevelBPETokenizer(add_prefix_space=True, lowercase=lowercase)
    bpe.train_from_iterator(
        sentences,
        vocab_size=vocabulary,
        min_frequency=min_frequency,
        special_tokens=[END_OF_TEXT],
        show_progress=False,
    )
    return Tokenizer.from_str(bpe.to_str())


def learn_words(sentences: Iterator[str], vocabulary: int, min_frequency: int, lowercase: bool) -> Tokenizer:
    """A tokenizer of whole words: the `vocabulary` - 2 most frequent ones, [PAD], and [UNK] for all others."""
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), *([normalizers.Lowercase()] if lowercase else [])])
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True)
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary, min_frequency=min_frequency, special_tokens=[PAD, UNKNOWN], show_progress=False
    )
    tokenizer.train_from_iterator(sentences, trainer)
    return tokenizer
