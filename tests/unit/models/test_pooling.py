"""Which state the head reads: the parameter, the base's own settings, and what is exported."""

import json

import pytest
import torch
import transformers

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import read_header
from distilrnn.errors import InputError
from distilrnn.export.huggingface import export_teacher
from distilrnn.models.adapters import load_teacher, save_adapter
from distilrnn.models.bases import import_base, own_pooling
from distilrnn.models.teacher import build_teacher
from distilrnn.params.base import BaseParams
from distilrnn.params.teacher import TuningParams
from distilrnn.pipeline.teacher import TeacherJob, train_teacher
from headers import teacher_header
from tiny import SELECTION, TEACHING, TUNING

SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
BERT = transformers.BertConfig(**SHAPE, vocab_size=500, max_position_embeddings=64)
MEAN = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


def encoder(tiny, folder, pooling=None):
    """A random BERT, imported; `pooling` are the files that sentence-transformers would have beside it."""
    torch.manual_seed(0)
    transformers.BertModel(BERT).save_pretrained(folder / "source")
    transformers.AutoTokenizer.from_pretrained(tiny.base).save_pretrained(folder / "source")
    for name, content in (pooling or {}).items():
        file = folder / "source" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content))
    import_base(BaseParams(model=str(folder / "source")), folder / "base")
    return folder / "base"


@pytest.mark.parametrize("pooling", ["first_token", "last_token", "mean"])
def test_the_head_reads_what_pooling_says_and_no_padding(tiny, tmp_path, pooling):
    base = encoder(tiny, tmp_path)
    teacher = build_teacher(base, 2, TuningParams(mode="probe"), 0, pooling).eval()
    body = transformers.AutoModel.from_pretrained(base, dtype=torch.float32).eval()
    ids, lengths = torch.randint(1, 500, (3, 9), generator=torch.Generator().manual_seed(0)), torch.tensor([9, 4, 1])
    with torch.no_grad():
        found = teacher(ids, lengths)
        for row, length in enumerate(lengths.tolist()):
            states = body(input_ids=ids[row : row + 1, :length]).last_hidden_state[0]
            read = {"first_token": states[0], "last_token": states[-1], "mean": states.mean(0)}[pooling]
            torch.testing.assert_close(found[row], teacher.head(read), rtol=1e-4, atol=1e-5)


def test_a_causal_base_may_be_read_at_its_mean_but_not_at_its_first_token(tiny):
    teacher = build_teacher(tiny.base, 2, TuningParams(mode="probe"), 0, "mean").eval()
    ids, lengths = torch.randint(1, 400, (2, 7), generator=torch.Generator().manual_seed(0)), torch.tensor([7, 3])
    with torch.no_grad():
        states = teacher.body(input_ids=ids[1:, :3]).last_hidden_state[0]
        torch.testing.assert_close(teacher(ids, lengths)[1], teacher.head(states.mean(0)), rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match=r"pooling is first_token, but the base is causal"):
        build_teacher(tiny.base, 2, TuningParams(mode="probe"), 0, "first_token")


OWN = {
    "1_Pooling/config.json": MEAN,
    "modules.json": [{"type": "sentence_transformers.models.Pooling", "path": "2_Pooling"}],
    "2_Pooling/config.json": {"pooling_mode": "cls"},
    "README.md": "(1): Pooling({'pooling_mode_cls_token': False, 'pooling_mode_mean_tokens': True})",
}


@pytest.mark.parametrize(
    ("files", "pooling"),
    [
        ([], None),
        (["1_Pooling/config.json"], "mean"),
        (["modules.json", "2_Pooling/config.json", "1_Pooling/config.json"], "first_token"),
        (["README.md"], "mean"),
    ],
)
def test_a_bases_own_pooling_is_found(tmp_path, files, pooling):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(OWN[name] if isinstance(OWN[name], str) else json.dumps(OWN[name]))
    assert own_pooling(tmp_path) == pooling


@pytest.mark.parametrize("content", ["{", "[]", "null", '{"pooling_mode": ["cls", "mean"]}', '{"pooling_mode": "max"}'])
def test_a_pooling_that_is_not_understood_is_none(tmp_path, content):
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(content)
    assert own_pooling(tmp_path) is None


def test_a_bases_own_pooling_is_its_teachers_default(tiny, tmp_path):
    base = encoder(tiny, tmp_path, {"1_Pooling/config.json": MEAN})
    assert read_json(base / "base.json")["pooling"] == "mean"
    assert build_teacher(base, 2, TuningParams(mode="probe"), 0).pooling == "mean"
    assert build_teacher(base, 2, TuningParams(mode="probe"), 0, "first_token").pooling == "first_token"
    assert "pooling" not in read_json(tiny.base / "base.json")


def test_a_teacher_is_loaded_with_the_pooling_that_it_was_trained_with(tiny, workplace):
    train_teacher(TeacherJob(tiny.base, tiny.tokens, TUNING, TEACHING, SELECTION, "mean", seed=0, threads=1), workplace)
    adapter = workplace / "adapter.safetensors"
    assert read_header(adapter, "adapter")["pooling"] == "mean"
    assert load_teacher(tiny.base, adapter)[0].pooling == "mean"
    assert load_teacher(tiny.base, tiny.adapter)[0].pooling == "last_token"


def test_a_classifier_that_cannot_read_the_mean_is_refused(tiny, tmp_path):
    base = encoder(tiny, tmp_path)
    tuning = TuningParams(rank=2)
    teacher = build_teacher(base, 2, tuning, 0, "mean")
    header = teacher_header(base, "ab", tuning, pooling="mean")
    save_adapter(tmp_path / "adapter.safetensors", teacher, header)
    with pytest.raises(
        InputError, match=r"BertForSequenceClassification cannot do .* a linear layer on the mean state"
    ):
        export_teacher(tmp_path / "adapter.safetensors", base, tmp_path / "out")
    assert not (tmp_path / "out").exists()
