"""An answer whose body or header is odd is still one of six kinds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onhand.domain.outcome import Rejected
from onhand.sdk.answers import outcome_of_answer, retry_after_s
from onhand.sdk.http import Answer

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize("body", ['{"detail": "Gr\u00f6\u00dfe fehlt"}'.encode("latin-1"), b"[" * 100_000])
def test_a_refusal_that_is_no_utf8_or_very_deep_is_a_refusal(body: bytes) -> None:
    outcome = outcome_of_answer(Answer(status=422, headers={}, body=body), now=NOW)
    assert isinstance(outcome, Rejected)


def test_a_retry_after_in_a_year_that_is_none_is_none() -> None:
    assert retry_after_s("Thu, 01 Jan 99999999999 00:00:00 GMT", now=NOW) is None
