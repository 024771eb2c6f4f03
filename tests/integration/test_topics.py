"""One's own data from init to the report: four topics through the real workflow, a rare class, a changed file."""

import json
import re
import shutil

import numpy as np
import pytest
import yaml

from distilrnn.artifacts.files import read_json
from distilrnn.artifacts.tensors import load_arrays
from distilrnn.data.corpus import write_corpus
from distilrnn.data.sources import SOURCES
from distilrnn.params.splits import DEV, TEST
from own_data import files, write_csv
from paths import REPOSITORY as ROOT
from tiny import BASE, MODEL, STUDYING, Tiny, study
from workflow_repository import PARAMS, new_repository

TOPICS = ROOT / "experiments" / "topics"
CLASSES = ["cooking", "sport", "travel", "weather"]


def in_little_time(params):
    """What init has written, with few epochs and one seed."""
    params = json.loads(json.dumps(params))
    params |= {"seeds": [0], "evaluate": {"resamples": 100}, "measure": {"sentences": 10}}
    params["bases"]["tiny"] |= {"width": 16, "layers": 1, "epochs": 2}
    params["teachers"]["tiny"]["training"] |= {"epochs": 2}
    params["students"]["gru"]["training"] |= {"epochs": 6}
    return params


@pytest.mark.slow
def test_four_topics_from_a_csv_to_the_report(tmp_path):
    repository = new_repository(tmp_path / "repository", stand_in=False)
    shutil.copy(TOPICS / "topics.csv", repository.path / "Topics.csv")
    (repository.path / "more.txt").write_text("".join(f"Anna packed {n} bags for the trip.\n" for n in range(60)))
    said = repository.distilrnn("init", "Topics.csv", "--unlabelled", "more.txt", "--base", "pretrain").output
    assert "460 texts" in said
    assert "text sentence, label topic" in said
    assert "60 texts" in said
    assert re.search(r"Time here +about \d+ (s|min): ", said)
    params = "experiments/topics/params.yaml"
    assert f"snakemake --configfile {params}" in said
    repository.set_params(in_little_time(yaml.safe_load((repository.path / params).read_text())), params)
    repository.snakemake("--configfile", params)
    results = repository.path / "results" / "topics"
    assert read_json(results / "corpus" / "corpus.json")["classes"] == CLASSES

    metrics = read_json(results / "metrics.json")
    assert list(metrics) == ["majority", "lora-tiny", "distilgru-tiny", "distillinear-tiny", "gru", "linear"]
    assert metrics["gru"][TEST]["accuracy"] > metrics["majority"][TEST]["accuracy"] + 0.1
    of_seed = read_json(results / "metrics" / "gru.json")["seeds"]["0"]
    assert set(of_seed) >= {DEV, TEST}
    assert "out_of_domain_dev" not in of_seed
    assert np.shape(of_seed[TEST]["confusion"]) == (4, 4)
    assert list(of_seed[TEST]["f1"]) == CLASSES
    claims = read_json(results / "statistics.json")["claims"]
    assert {claim["split"] for claim in claims} == {DEV, TEST}

    table, page = (results / "table.md").read_text(), (results / "report.html").read_text()
    assert "In-domain dev accuracy %" in table
    assert "In-domain test accuracy %" in table
    for text in (table, page, (results / "model-card.md").read_text()):
        assert "out-of-domain" not in re.sub(r"data:image\S+", "", text).lower()
    assert all(f"100, {name}</th>" in page for name in CLASSES)
    assert "By source" not in page

    student = results / "students" / "gru" / "tiny" / "seed0" / "student.safetensors"
    said = repository.distilrnn("predict", str(student), "--json", "Anna baked a cake in the oven.").output
    assert list(json.loads(said.splitlines()[-1])["probabilities"]) == CLASSES
    assert repository.nothing_to_do("--configfile", params)

    with (repository.path / "Topics.csv").open("a") as file:
        file.write("Ella feared the hail at sea.,weather\n")
    assert not repository.nothing_to_do("--configfile", params)


@pytest.mark.slow
def test_a_changed_table_reruns_the_corpus(tmp_path):
    repository = new_repository(tmp_path / "repository")
    table = repository.path / 'Ada\'s own [data] $HOME "x".csv'  # snakemake#2645, #2981, #3211
    write_csv(table, [("It rains .", "a"), ("It pours .", "b")])
    own = {"source": "files", **dict.fromkeys(("train", "dev", "out_of_domain"), table.name)}
    repository.set_params(PARAMS | {"corpus": own})
    repository.snakemake("--", "results/demo/corpus/corpus.json")
    assert "corpus" not in repository.planned()
    with table.open("a") as file:
        file.write("It hails .,a\n")
    assert "corpus" in repository.planned()


def test_two_columns_from_csv_to_predictions(tiny, workplace):
    """A rare class: with balanced weights the student says it more often."""
    rare = [(f"The {name} sings of rain .", "rare") for name in ("dog", "cat", "king", "guest", "girl", "boy")]
    common = [(f"The {name} sees the {other} .", "common") for name in "abcdefgh" for other in "ijklmnopqr"]
    write_csv(workplace / "rows.csv", [*rare * 2, *common])
    found = SOURCES["files"](files(workplace / "rows.csv", dev=None, dev_fraction=0.25))
    own = Tiny(workplace)
    write_corpus(own.corpus, found.splits, found.unlabelled, found.classes, "rows.csv", found.notes)

    from distilrnn.pipeline.tokens import tokenize_corpus

    assert list(tokenize_corpus(own.corpus, tiny.base, None, own.tokens).splits) == list(found.splits)
    said = {}
    for weights in ("none", "balanced"):
        training = STUDYING.model_copy(update={"class_weights": weights, "epochs": 4})
        study(own, workplace / weights, taught=False, training=training, model=MODEL)
        logits, header = load_arrays(workplace / weights / "logits.safetensors", "logits")
        assert header["classes"] == ["common", "rare"]
        assert set(logits) >= {f"{DEV}.ids", f"{DEV}.logits"}
        said[weights] = logits[f"{DEV}.logits"][:, 1] - logits[f"{DEV}.logits"][:, 0]
    assert (said["balanced"] > said["none"]).all()


def test_a_base_learns_from_ones_own_texts(workplace):
    from distilrnn.models.bases import read_base
    from distilrnn.pipeline.base import pretrain

    write_csv(workplace / "rows.csv", [(f"The number {row} is here .", "ab"[row % 2]) for row in range(150)])
    found = SOURCES["files"](files(workplace / "rows.csv", dev=None, dev_fraction=0.2))
    write_corpus(workplace / "corpus", found.splits, found.unlabelled, found.classes, "rows.csv")
    pretrain(
        workplace / "corpus" / "unlabelled.txt", BASE.model_copy(update={"vocabulary": 300}), workplace / "base", 1
    )
    assert read_base(workplace / "base")["architecture"] == "GPT2LMHeadModel"
