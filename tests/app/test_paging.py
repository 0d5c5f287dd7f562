"""Cursors: opaque, safe in a URL, good for their own list only."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onhand.app.paging import CURSOR_LENGTH_MAX, InvalidCursor, decode_cursor, encode_cursor, page_limit, paged
from onhand.domain.errors import InvalidInput


@given(st.text(max_size=200), st.integers(-(2**63), 2**63 - 1))
def test_a_cursor_carries_its_key_and_fits_into_a_url(text: str, number: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    cursor = encode_cursor("list", text, number)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor)
    assert decode_cursor(cursor, "list", str, int) == (text, number)


@given(st.text(max_size=60))
def test_whatever_else_is_sent_is_refused_with_its_own_code(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(text, "list", str)


@pytest.mark.parametrize(
    "cursor",
    [
        encode_cursor("other", "x"),
        encode_cursor("list"),
        encode_cursor("list", 1),
        encode_cursor("list", "x", "y"),
        encode_cursor("list", "x") * CURSOR_LENGTH_MAX,
        "W10",  # []
        "WyJsaXN0Iix0cnVlXQ",  # ["list",true]
        "",
        "ß",
        "\ud800",
    ],
)
def test_a_cursor_of_another_list_or_form_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor, "list", str)


@pytest.mark.parametrize("limit", [0, -1, 1_001, 10**30])
def test_a_page_is_bounded(limit: int) -> None:
    with pytest.raises(InvalidInput):
        page_limit(limit)


def test_one_row_more_than_asked_for_says_that_there_is_a_next_page() -> None:
    page = paged([1, 2, 3], 2, str)
    assert (page.rows, page.next_cursor) == ([1, 2], "2")
    assert paged([1, 2], 2, str).next_cursor is None
    assert paged([], 2, str).rows == []
