"""Records: one model for what is written as JSON and read back."""

import json
from pathlib import Path

import pytest

from distilrnn.artifacts.records import BySplit, FileRecord
from distilrnn.artifacts.runs import ParameterCounts, PointScores, TrainingRecord
from distilrnn.errors import InputError


class Sizes(FileRecord):
    longest: int
    splits: BySplit[int]
    more: int | None = None


SPLITS = {"in_domain_train": 3, "in_domain_dev": 1}


def test_what_is_not_given_is_not_written_and_keys_keep_their_order(tmp_path):
    Sizes(longest=2, splits=SPLITS).write(tmp_path / "plain.json")
    assert list(json.loads((tmp_path / "plain.json").read_text())) == ["longest", "splits"]
    Sizes(more=None, longest=2, splits=SPLITS).write(tmp_path / "none.json")
    assert list(json.loads((tmp_path / "none.json").read_text()).items())[2] == ("more", None)


def test_a_record_comes_back_and_keys_of_another_version_are_passed_over(tmp_path):
    path = tmp_path / "sizes.json"
    path.write_text(json.dumps({"new": 1, "longest": 2, "splits": SPLITS}))
    assert Sizes.read(path) == Sizes(longest=2, splits=SPLITS)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"splits": SPLITS}, "lacks longest: make it again"),
        ([], "lacks longest, splits: make it again"),
        ({"longest": "many", "splits": SPLITS}, "longest: input should be a valid integer"),
        ({"longest": 2, "splits": {"../x": 1}}, "its splits are not those of a corpus: make it again"),
    ],
)
def test_a_record_that_is_damaged_is_refused_by_file_and_key(values, said):
    with pytest.raises(InputError) as refused:
        Sizes.parse(values, Path("sizes.json"))
    assert str(refused.value).startswith("sizes.json: ")
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_whole_epochs_stay_whole_numbers(tmp_path):
    scores, counts = PointScores(accuracy=0.5), ParameterCounts(total=2, trainable=1)
    given = {"kind": "linear", "seed": 0, "train": scores, "validation_at_best": scores, "parameters": counts}
    TrainingRecord(best_epoch=3, seconds=1.0, corpus_hash="", **given).write(tmp_path / "run.json")
    assert '"best_epoch": 3,' in (tmp_path / "run.json").read_text()
