"""What goes wrong with mappings: one that is written wrongly, and a document that does not fit one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from onhand.domain.errors import InvalidInput

if TYPE_CHECKING:
    from onhand.domain.mapping.scope import Scope

Place = tuple[str | int, ...]


class SpecMistake(msgspec.Struct, frozen=True):
    """One mistake in a mapping: where (keys and indices), what stands there, what was expected.

    `word` is what was probably mistyped, `known` the words that would have been understood.
    """

    path: Place
    found: str
    expected: str
    word: str = ""
    known: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{place_text(self.path) or 'the mapping'}: found {self.found}, expected {self.expected}."


class MappingInvalid(InvalidInput):
    """A mapping is written wrongly. `mistakes` has all of it."""

    code: ClassVar[str] = "mapping_invalid"
    title: ClassVar[str] = "The mapping holds mistakes"
    done: ClassVar[str] = "Nothing was mapped."
    remedy: ClassVar[str] = "Mend the places named; 'onhand mapping test' reads the mapping again."

    def __init__(self, name: str, mistakes: Iterable[SpecMistake]) -> None:
        self.mistakes = tuple(mistakes)
        lines = "\n".join(map(str, self.mistakes))
        facts = [{"path": place_text(m.path), "found": m.found, "expected": m.expected} for m in self.mistakes]
        super().__init__(f"The mapping '{name}' holds mistakes:\n{lines}\n", mistakes=facts)


class MappingFailed(InvalidInput):
    """A document does not fit its mapping: `pointer` is the place in the document, `rule` that in the mapping."""

    code: ClassVar[str] = "mapping_failed"
    title: ClassVar[str] = "The document does not fit its mapping"
    done: ClassVar[str] = "Nothing of the document was mapped."
    remedy: ClassVar[str] = "Mend the mapping or add the missing translation, then replay; or have the sender mend it."

    def __init__(self, pointer: str, rule: str, detail: str) -> None:
        super().__init__(
            f"At {pointer or 'the top'} of the document: {detail}. (Rule: {rule}.)", pointer=pointer, rule=rule
        )
        self.pointer = pointer
        self.rule = rule
        self.reason = detail


class Unfit(Exception):
    """Inside a rule: a value does not fit. `at` leads to it from `scope`, or from what the rule looks at."""

    def __init__(self, detail: str, at: Place = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.at = at
        self.scope: Scope | None = None


def place_text(place: Iterable[str | int]) -> str:
    """Return a place as people write it: `data.lines.first_of[0]`."""
    text = ""
    for step in place:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def pointer_text(place: Iterable[str | int]) -> str:
    """Return a place as a JSON pointer (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in place)


def shown(value: Any) -> str:
    """Return a value as a message shows it: short, on one line, in quotes when it is text."""
    if isinstance(value, str):
        return repr(value if len(value) <= 60 else value[:57] + "...")
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    if isinstance(value, int) and not -(10**60) < value < 10**60:
        return "a number of more than 60 digits"
    text = str(value)
    return text if len(text) <= 60 else text[:57] + "..."
