"""A document whose parts stand each for itself: one that does not fit does not hold up the others."""

from __future__ import annotations

from typing import Any

import pytest

from onhand.domain.mapping import MappingFailed, compile_mapping
from onhand.domain.mapping.limits import FAILED_MAX
from tests.mapping.mapped import context

ROWS = {"for_each": "rows", "type": "x", "id": "{no}", "when": {"path": "wanted"}, "data": {"sku": "sku"}}


def each(document: Any) -> tuple[list[str], list[str]]:
    """The ids of what came out, and the places of what did not fit."""
    found, failed = compile_mapping(ROWS, name="rows").apply_each(document, context())
    return [one.id for one in found], [one.pointer for one in failed]


def test_rows_that_do_not_fit_are_named_and_the_others_come_out() -> None:
    rows = [{"no": 1, "wanted": True, "sku": "a"}, {"no": 2, "wanted": True}, {"no": 3, "wanted": True, "sku": "c"}]
    assert each({"rows": rows}) == (["1", "3"], ["/rows/1/sku"])


def test_a_condition_that_cannot_be_asked_is_the_row_s_own_trouble() -> None:
    assert each({"rows": [{"no": 1, "sku": "a"}, {"no": 2, "wanted": True, "sku": "b"}]})[0] == ["2"]


def test_a_document_without_its_rows_fails_as_a_whole() -> None:
    with pytest.raises(MappingFailed):
        each({"other": []})


def test_a_document_of_which_hardly_anything_fits_fails_as_a_whole() -> None:
    with pytest.raises(MappingFailed):
        each({"rows": [{"no": n, "wanted": True} for n in range(FAILED_MAX + 1)]})
