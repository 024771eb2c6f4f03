"""Every architecture of the matrix: imported, tuned in every mode, saved, loaded and exported, or refused."""

import pytest
import transformers

from matrix import MATRIX, run, table
from paths import REPOSITORY

ROWS = {}


@pytest.fixture(autouse=True)
def quiet():
    transformers.logging.set_verbosity_error()


@pytest.mark.parametrize("name", MATRIX)
def test_a_base_does_what_is_said_of_it_or_is_refused(name, tmp_path):
    ROWS[name] = run(name, tmp_path)


def test_the_docs_show_the_matrix_as_it_was_run():
    """`python tests/helpers/matrix.py` prints it."""
    assert len(MATRIX) >= 30
    if len(ROWS) < len(MATRIX):
        pytest.skip("a part of the matrix was run")
    shown = (REPOSITORY / "docs" / "own-teacher.md").read_text(encoding="utf-8")
    assert table([row for row in ROWS.values() if row is not None]) in shown
