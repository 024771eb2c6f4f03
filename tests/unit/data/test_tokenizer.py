"""Tokenizers that are learned."""

import pytest
from tokenizers import Tokenizer

from distilrnn.data.tokenizer import learn_bpe, learn_words, pad_id_of


def test_words_are_parted_as_in_the_penn_treebank_and_glove(tmp_path):
    sentence = "The dog doesn't bark, it's John's 3.5 pies ... can't -- well-known"
    tokenizer = learn_words(iter([sentence]), 100, 1, lowercase=True)
    assert tokenizer.encode(sentence).tokens == [
        *("the", "dog", "does", "n't", "bark", ",", "it", "'s", "john", "'s", "3.5", "pies", "...", "ca", "n't", "--"),
        *("well", "-", "known"),
    ]
    # SST-2 and CoLA part clitics already, or not: both read alike.
    assert tokenizer.encode("does n't it 's").tokens == tokenizer.encode("doesn't it's").tokens
    assert tokenizer.encode("cats").tokens == ["[UNK]"]
    assert tokenizer.id_to_token(pad_id_of(tokenizer, tmp_path)) == "[PAD]"


def test_the_most_frequent_words_are_kept_and_case_where_it_is_wanted():
    tokenizer = learn_words(iter(["b b b a a C c"]), 4, 1, lowercase=False)
    assert sorted(tokenizer.get_vocab()) == ["[PAD]", "[UNK]", "a", "b"]
    assert learn_words(iter(["a a b"]), 9, 2, False).token_to_id("b") is None
    assert learn_words(iter(["C"]), 9, 1, True).token_to_id("c") is not None


def test_bpe_reads_the_first_word_as_the_others(tmp_path):
    tokenizer = learn_bpe(iter(["dog the dog"] * 9), 300, 2, lowercase=True)
    assert tokenizer.encode("Dog the dog").tokens == ["Ġdog", "Ġthe", "Ġdog"]
    assert tokenizer.decode(tokenizer.encode("Ünïcode ☃").ids).strip() == "ünïcode ☃"
    assert pad_id_of(tokenizer, tmp_path) == 0


@pytest.mark.parametrize("learn", [learn_bpe, learn_words])
def test_learning_is_deterministic_and_survives_its_file(learn):
    sentences = [f"word{i % 7} and word{i % 11} come" for i in range(200)]
    first, second = (learn(iter(sentences), 290, 2, False).to_str() for _ in range(2))
    assert first == second == Tokenizer.from_str(first).to_str()
