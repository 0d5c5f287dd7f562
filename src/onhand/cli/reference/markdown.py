"""What the generated pages have in common: their notice, tables, and texts that cannot break a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def head(title: str, introduction: str, *, source: str) -> str:
    """The beginning of a page; `source` says what to edit instead of the page."""
    return f"# {title}\n\n<!-- Generated from {source} by `./dev docs`; edit that. -->\n\n{introduction.strip()}\n"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; empty when there are no rows."""
    lines = [f"| {' | '.join(cell(text) for text in row)} |" for row in rows]
    if not lines:
        return ""
    rule = " | ".join("---" for _ in titles)
    return "\n".join([f"| {' | '.join(titles)} |", f"| {rule} |", *lines]) + "\n"


def cell(text: str) -> str:
    """A text as it may stand in a table: one line, no bars."""
    return " ".join(text.split()).replace("|", "\\|")


def code(value: object) -> str:
    """A value in code, or nothing for nothing."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"
