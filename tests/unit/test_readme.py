"""Every row of the README's tables is a row of the table that the text before it links."""

import re

import pytest

from paths import REPOSITORY

ROOT = REPOSITORY
README = (ROOT / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\(((?:docs/)?results/[\w-]+/table\.md)\)")


def cells(line):
    return [cell.strip() for cell in line.strip("|\n ").split("|")]


def quoted_rows():
    linked = None
    for line in README.splitlines():
        linked = (LINK.findall(line) or [linked])[-1]
        if linked and line.startswith("|") and not line.startswith("| :"):
            yield linked, cells(line)


def in_order(row, found):
    """Whether the cells of `row` occur among those of `found`, in their order."""
    rest = iter(found)
    return all(cell in rest for cell in row)


def test_the_readme_shows_results():
    assert {linked for linked, _ in quoted_rows()} >= {"results/sst2/table.md"}


@pytest.mark.parametrize(
    ("linked", "row"), list(quoted_rows()), ids=lambda value: value if isinstance(value, str) else value[0]
)
def test_every_row_of_the_readme_is_a_row_of_its_table(linked, row):
    table = [cells(line) for line in (ROOT / linked).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    assert any(in_order(row, found) for found in table)


def test_every_file_that_the_readme_links_is_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).is_file(), target
