"""Where code of others runs in the middle of ours: whatever it raises becomes one error with a name and a place.

A connector may be a third party's, and a mapping meets every body that partners think of. One of them that breaks must
cost one message or one read, never the work for all the others.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from onhand.domain.errors import OnhandError

log = structlog.get_logger("onhand.inbox")


class Defect(OnhandError):
    """Code broke that should not: a connector's, a mapping's or Onhand's own."""

    code = "defect"
    title = "A connector, a mapping or Onhand itself broke"
    done = "What was at work is tried again, a limited number of times."
    remedy = "Tell the owner of the connector or mapping named; the log has the place."


@contextmanager
def told(what: str) -> Iterator[None]:
    """Let errors of ours and time limits pass; everything else becomes a Defect."""
    try:
        yield
    except (OnhandError, TimeoutError):
        raise
    except Exception as error:  # whatever code of others raises becomes one error of ours
        place = _place(error)
        log.warning("defect", what=what, error=type(error).__name__, place=place)
        raise Defect(f"{what} broke ({type(error).__name__}, {place})") from error


def _place(error: Exception) -> str:
    """Return where it struck: a whole traceback for each message would be a flood."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(frame.filename).name}:{frame.lineno}"
