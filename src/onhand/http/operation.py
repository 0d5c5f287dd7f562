"""The table of operations: one entry says everything about an operation, for the pipeline and for its documentation.

An area file (`reservations.py`, `ledger.py` ...) declares its operations with `@operation(...)`. The pipeline
(`pipeline.py`) reads scope, lane, forms and limits from the entry; `openapi.py` writes the document from the very same
entry, so that the two cannot drift apart. Errors are raised, never returned: `problems.py` answers them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import msgspec

from onhand.domain.errors import OnhandError
from onhand.http.call import Call, Reply
from onhand.http.lanes import Lane
from onhand.http.limits import BODY_BYTES_MAX

Method = Literal["GET", "POST"]
Tag = Literal["Promises", "Facts", "Stock", "Catalogue", "Quarantine", "Keys", "Network", "System"]
Run = Callable[[Call, Any, Any], Awaitable[Reply]]


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operation without query parameters."""


class NoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An operation without a body, or with an empty object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One kind of successful answer: what it means, its type (None for other than JSON), an example."""

    meaning: str
    type: Any = None
    media_type: str = "application/json"
    example: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API.

    `scope` None needs no key; `rated_by` then names the path parameter that stands for the caller. `body` None reads no
    body, `bytes` hands the raw body over, a struct is read strictly. `keyed` operations take an Idempotency-Key.
    `errors` are those that are particular to it; what the pipeline itself raises is added to the documentation of all.
    """

    method: Method
    path: str
    id: str
    tag: Tag
    summary: str
    description: str
    scope: str | None
    lane: Lane
    run: Run
    answers: Mapping[int, Answer]
    query: type[Any] = NoQuery
    body: type[Any] | None = None
    body_bytes_max: int = BODY_BYTES_MAX
    body_media_types: tuple[str, ...] = ("application/json",)
    body_required: bool = True
    body_example: Any = None
    query_example: Mapping[str, Any] = field(default_factory=dict)
    path_example: Mapping[str, Any] = field(default_factory=dict)
    keyed: bool = False
    errors: tuple[type[OnhandError], ...] = ()
    hot: bool = False
    rated_by: str | None = None

    @property
    def takes_path(self) -> bool:
        """Whether the path has parameters."""
        return "{" in self.path


OPERATIONS: Final[list[Operation]] = []
"""All operations, in the order in which the documentation shows them (that of `onhand.http.areas`)."""


def operation(method: Method, path: str, *, id: str, **entry: Any) -> Callable[[Run], Run]:  # noqa: A002
    """Enter the decorated function in the table. Its docstring is the summary (first line) and the description.

    The function is called with the `Call`, the query as a struct and the body as a struct (or bytes, or None).
    """

    def enter(run: Run) -> Run:
        summary, _, description = (run.__doc__ or "").partition("\n")
        OPERATIONS.append(
            Operation(
                method=method,
                path=path,
                id=id,
                summary=summary.strip().rstrip("."),
                description=_paragraphs(description),
                run=run,
                **entry,
            )
        )
        return run

    return enter


_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def answer(value: Any, *, status: int = 200, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Reply:
    """A reply that carries a value as JSON."""
    return Reply(status, _encode(value), headers=headers)


def _paragraphs(text: str) -> str:
    """The text of a docstring with lines joined to paragraphs."""
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return "\n\n".join(part for part in paragraphs if part)
