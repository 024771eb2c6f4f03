"""Transfer sets and fewer labels through real Snakemake and DVC."""

import re

import pytest

from workflow_repository import PARAMS, new_repository

pytestmark = pytest.mark.slow

MORE = {"kind": "corpus", "sentences": 40}
TEACHER = "tiny/seed0"


def with_sources(**sources):
    return PARAMS | {
        "transfer": {"shards": 2, "sources": sources},
        "students": {"rnn": {"tokenizer": "tiny", "transfer": ["more"]}},
    }


def shards_of(source, teacher=TEACHER):
    return {f"demo/logits/transfer/{source}/{teacher}/shard{shard}-of-2" for shard in (1, 2)}


def test_a_second_source_is_scored_alone_and_the_linear_classifier_reads_both(tmp_path):
    repository = new_repository(tmp_path / "repository")
    repository.set_params(with_sources(more=MORE))
    repository.snakemake()
    assert shards_of("more") | {"demo/students/rnn/tiny/seed0"} <= repository.ran()

    repository.set_params(with_sources(more=MORE, changed={"kind": "augment", "of": ["train"]}))
    planned = repository.snakemake("--dry-run", "--printshellcmds").output
    (command,) = re.findall(r"^.*scripts/linear\.py .*$", planned, re.MULTILINE)
    for words in (
        "--teacher-logits results/demo/logits/tiny/seed0/logits.safetensors",
        "--pool results/demo/transfer/more --pool results/demo/transfer/changed",
        "--pool-logits results/demo/logits/transfer/more/tiny/seed0",
        "--pool-logits results/demo/logits/transfer/changed/tiny/seed0",
        "--shards 2",
    ):
        assert words in command
    repository.snakemake()
    made = {run for run in repository.ran() if run.startswith("demo/")}
    assert made == shards_of("changed") | {
        "demo/transfer/changed",
        "demo/transfer_tokens/changed/tiny",
        "demo/linear/tiny/seed0",
    }
    repository.distilrnn("sync")
    assert repository.agree()


def test_transfer_sets_and_fewer_labels_through_dvc(tmp_path):
    repository = new_repository(tmp_path / "repository")
    repository.set_params(with_sources(more=MORE))
    repository.dvc("repro")
    assert shards_of("more") | {"demo/transfer/more", "demo/students/rnn/tiny/seed0"} <= repository.ran()
    assert repository.agree()

    repository.set_params(with_sources(more=MORE) | {"labels": {"sentences": [30]}})
    repository.dvc("repro")
    few = {
        "demo/teachers/tiny/labels=30/seed0",
        "demo/students/rnn/labels=30/tiny/labels=30/seed0",
        "demo/baselines/rnn/labels=30/seed0",
        "demo/linear/labels/labels=30/seed0",
        "demo/linear/tiny/labels=30/seed0",
        *shards_of("more", "tiny/labels=30/seed0"),
    }
    assert few <= repository.ran()
    assert repository.agree()


def test_a_source_that_no_teacher_scores_until_a_student_needs_it(tmp_path):
    repository = new_repository(tmp_path / "repository")
    values = with_sources(more=MORE, read={"kind": "augment", "of": ["train"], "scored": False})
    values["students"]["rnn"]["pretraining"] = {"transfer": ["more", "read"]}
    repository.set_params(values)
    repository.dvc("repro")
    ran = repository.ran()
    assert {"demo/transfer_tokens/read/tiny", "demo/encoders/rnn", *shards_of("more")} <= ran
    assert not shards_of("read") & ran
    planned = repository.snakemake("--dry-run", "--forceall", "--printshellcmds").output
    (encoder,) = re.findall(r"^.*scripts/encoder\.py .*$", planned, re.MULTILINE)
    tokens = "results/demo/transfer_tokens"
    assert f"--pool-tokens {tokens}/more/tiny --pool-tokens {tokens}/read/tiny" in encoder
    (linear,) = re.findall(r"^.*scripts/linear\.py .*--teacher-logits.*$", planned, re.MULTILINE)
    assert "results/demo/transfer/more" in linear
    assert "results/demo/transfer/read" not in linear

    values["transfer"]["sources"]["read"]["copies"] = 3
    repository.set_params(values)
    repository.dvc("repro")
    assert {"demo/transfer/read", "demo/encoders/rnn", "demo/students/rnn/tiny/seed0"} <= repository.ran()

    values["transfer"]["sources"]["read"]["scored"] = True
    values["students"]["rnn"]["transfer"] = ["more", "read"]
    repository.set_params(values)
    repository.dvc("repro")
    ran = repository.ran()
    assert {*shards_of("read"), "demo/students/rnn/tiny/seed0"} <= ran
    assert not shards_of("more") & ran
    assert repository.agree()


def test_no_copies_are_refused_by_both_engines_in_one_sentence(tmp_path):
    repository = new_repository(tmp_path / "repository")
    repository.set_params(with_sources(more={"kind": "augment", "of": ["train"], "copies": 0}))
    for refused in (repository.snakemake(code=2), repository.distilrnn("make", "transfer", "more", code=2)):
        (sentence,) = [line for line in refused.output.splitlines() if line.startswith("error: ")]
        assert sentence.startswith("error: params.yaml: transfer.sources.more.augment.copies: is 0: ")
        assert "Traceback" not in refused.output
    assert not (repository.path / "results").exists()
