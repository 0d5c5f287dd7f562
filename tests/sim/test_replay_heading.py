"""A slip in the heading takes no line with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from onhand.sim.replay.dialect import UnreadableFile, detect
from onhand.sim.replay.policy import load
from onhand.sim.replay.survey import survey
from tests.sim.books import HEADING, book

ROW = "1,10001,MUG,1,2019-03-01 08:00,1,5,France\n"


@pytest.mark.parametrize("heading", [HEADING.replace("Country", '"Country'), HEADING.replace("\n", ',"Note\n')])
@pytest.mark.parametrize("rows", [3, 40_000])
def test_a_quote_in_the_heading_that_nobody_closed_loses_no_line(tmp_path: Path, heading: str, rows: int) -> None:
    assert survey(book(tmp_path, heading + ROW * rows), load()).lines == rows


def test_a_file_of_one_long_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        detect(book(tmp_path, "x" * 200_000), load())
