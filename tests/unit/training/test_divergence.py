"""Bad numbers end a training with the best epoch before them kept, and never spoil what is kept."""

import re
from pathlib import Path

import pytest
import torch

from distilrnn.artifacts.tensors import load_tensors, read_header
from distilrnn.errors import RunError
from distilrnn.inference import load_predictor
from distilrnn.training import resume
from distilrnn.training.batch import Step
from distilrnn.training.losses import label_objective
from tiny import STUDYING, TEACHING, study, teach

EPOCHS = 4
STATES = Path(".resume")
CHECKPOINTS = {"teacher": "adapter", "student": "student"}


def make(tiny, kind, output, **changes):
    if kind == "teacher":
        teach(tiny, output, training=TEACHING.model_copy(update={"epochs": EPOCHS, **changes}))
    else:
        study(tiny, output, taught=False, training=STUDYING.model_copy(update={"epochs": EPOCHS, **changes}))


def spoil(monkeypatch, kind, after):
    """Make the loss NaN from the so-manieth training step on."""
    steps = []

    def objective(weights=None):
        honest = label_objective(weights)

        def spoilt(model, batch):
            done = honest(model, batch)
            steps.extend([None] * model.training)
            return Step(
                done.loss * (float("nan") if len(steps) > after else 1.0), done.correct, done.count, done.predictions
            )

        return spoilt

    monkeypatch.setattr(f"distilrnn.pipeline.{kind}.label_objective", objective)


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_the_best_epoch_before_them_is_kept_for_use(tiny, workplace, monkeypatch, kind):
    """5 steps an epoch: the third epoch breaks. What is kept are the weights of a run of two epochs."""
    make(tiny, kind, Path("two"), epochs=2)
    wanted, header = load_tensors(Path("two") / f"{CHECKPOINTS[kind]}.safetensors", CHECKPOINTS[kind])
    with monkeypatch.context() as patch:
        spoil(patch, kind, 12)
        with pytest.raises(RunError) as failure:
            make(tiny, kind, Path("out"))
    said = str(failure.value)
    assert re.match(r"the loss is nan at epoch 3, step 3, learning rate 0\.005: lower the learning rate", said)
    kept = Path(re.search(r"is kept in (\S+), which `distilrnn predict` reads$", said).group(1))
    found, _ = load_tensors(kept, CHECKPOINTS[kind])
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    if kind == "teacher":
        assert f"the best epoch before it, {header['best_epoch']}," in said
        assert read_header(kept)["best_epoch"] == header["best_epoch"]
    assert load_predictor(kept, tiny.base if kind == "teacher" else None)
    assert not list(Path("out").glob("*"))

    # With other params the run begins anew: the state is set aside, what was kept goes when it has ended well.
    make(tiny, kind, Path("out"), learning_rate=1e-3)
    assert [path.suffix for path in STATES.iterdir()] == [".stale"]


@pytest.mark.parametrize("kind", ["teacher", "student"])
def test_the_last_good_state_survives_and_is_gone_on_from(tiny, workplace, monkeypatch, capsys, kind):
    make(tiny, kind, Path("whole"))
    with monkeypatch.context() as patch:
        patch.setattr(resume, "MINUTES", 0)  # a state is due at every step
        spoil(patch, kind, 12)
        for _ in range(2):
            with pytest.raises(RunError, match="epoch 3, step 3"):
                make(tiny, kind, Path("out"))
    capsys.readouterr()
    make(tiny, kind, Path("out"))
    assert "going on from epoch 3, step 3" in capsys.readouterr().out
    name = f"{CHECKPOINTS[kind]}.safetensors"
    assert (Path("out") / name).read_bytes() == (Path("whole") / name).read_bytes()
    assert list(STATES.iterdir()) == []


def test_weights_that_are_spoilt_are_not_saved(tiny, workplace, monkeypatch):
    """A gradient that is no number spoils the weights one step before the loss tells."""
    monkeypatch.setattr(resume, "MINUTES", 0)
    backward = torch.Tensor.backward
    steps = []

    def spoilt(loss):
        steps.append(None)
        backward(loss * float("inf") if len(steps) == 8 else loss)

    monkeypatch.setattr(torch.Tensor, "backward", spoilt)
    with pytest.raises(RunError, match="epoch 2, step 4"):
        make(tiny, "student", Path("out"))
    (state,) = (file for file in STATES.iterdir() if ".best." not in file.name)
    tensors, header = load_tensors(state, "state")
    assert header["step"] == 7  # 5 of the first epoch and 2 of the second
    assert all(tensor.isfinite().all() for tensor in tensors.values())


def test_before_the_first_epoch_has_ended_nothing_is_kept(tiny, workplace, monkeypatch):
    spoil(monkeypatch, "student", 2)
    with pytest.raises(RunError, match=r"epoch 1, step 3.*or set clip_norm$"):
        make(tiny, "student", Path("out"))
    assert not STATES.exists() or list(STATES.iterdir()) == []
