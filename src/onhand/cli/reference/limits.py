"""The page of limits: each with its value, and its reason as it stands under it in the code."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final, NamedTuple

from onhand.cli.reference.markdown import head, table
from onhand.client import limits as of_the_client
from onhand.contracts import limits as of_events
from onhand.domain.mapping import limits as of_mappings
from onhand.http import limits as of_the_api
from onhand.ops import limits as of_a_process

INTRODUCTION = """\
Everything has a limit, and every limit a reason. Names end with their unit. Some can be [set](settings.md); the others
are decisions. What runs into one gets an [error](errors.md) that says so.
"""

MODULES: Final = (
    ("What one event may hold", of_events),
    ("What one mapping and one document may ask for", of_mappings),
    ("The HTTP API", of_the_api),
    ("The process and its database", of_a_process),
    ("The Python client", of_the_client),
)
"""The modules that hold limits, with their titles."""


class Limit(NamedTuple):
    """One limit: where it belongs, its name, its value, why."""

    area: str
    name: str
    value: Any
    reason: str


def page() -> str:
    """The whole page."""
    parts = [head("Limits", INTRODUCTION, source="the `limits` modules")]
    for title, module in MODULES:
        parts.append(f"## {title}\n")
        found = list(limits(module))
        for area in dict.fromkeys(limit.area for limit in found):
            if area:
                parts.append(f"### {area[:1].upper()}{area[1:]}\n")
            rows = [(f"`{limit.name}`", shown(limit.value), limit.reason) for limit in found if limit.area == area]
            parts.append(table(("Limit", "Value", "Why"), rows))
    return "\n".join(parts)


def limits(module: ModuleType) -> Iterator[Limit]:
    """The limits of a module in their order; the reason is the text that stands under each, empty where none does."""
    source = inspect.getsource(module)
    areas = [(line, match[1]) for line, match in _headings(source)]
    body = ast.parse(source).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            area = next((name for line, name in reversed(areas) if line < statement.lineno), "")
            name = statement.target.id
            yield Limit(area, name, getattr(module, name), _text(following))


def shown(value: Any) -> str:
    """A value as people read it: thousands apart, whole binary megabytes and kilobytes said as such."""
    if isinstance(value, int) and value >= 1024 and value % 1024 == 0:
        mebi, rest = divmod(value, 1024 * 1024)
        return f"{value:,} ({mebi} MiB)" if not rest else f"{value:,} ({value // 1024:,} KiB)"
    return f"{value:,}" if isinstance(value, (int, float)) else str(value)


def _headings(source: str) -> Iterator[tuple[int, re.Match[str]]]:
    for number, line in enumerate(source.splitlines(), 1):
        if match := re.match(r"# -+ (.+?) -+$", line):
            yield number, match


def _text(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return inspect.cleandoc(str(statement.value.value))
    return ""
