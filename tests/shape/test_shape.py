"""The shape of the code, held to the values of the best-kept packages that were measured.

A limit that is broken names the offenders. The way out is a smaller piece with a name of its own, never a higher limit.
"""

from __future__ import annotations

import ast
import gc
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src" / "onhand"
TESTS = Path(__file__).parents[1]

FUNCTION_MEDIAN_LINES = 10
FUNCTION_P95_LINES = 40
FUNCTION_MAX_LINES = 70
FUNCTION_OVER_MAX_SHARE = 0.01
MODULE_MEDIAN_LINES = 120
MODULE_P90_LINES = 350
MODULE_MAX_LINES = 600
PUBLIC_DOCSTRING_SHARE = 0.8
BROAD_EXCEPTS_MAX = 5


@dataclass(frozen=True)
class Function:
    """One function or method."""

    place: str
    lines: int
    typed: bool
    public: bool
    documented: bool


@dataclass(frozen=True)
class Module:
    """One file."""

    path: Path
    lines: int
    documented: bool
    tree: ast.Module


@cache
def modules() -> tuple[Module, ...]:
    gc.collect()  # what garbage of earlier tests prints is parsed, too: CPython 3.11 cannot do that within this
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text()
        tree = ast.parse(text)
        found.append(Module(path, len(text.splitlines()), ast.get_docstring(tree) is not None, tree))
    return tuple(found)


@cache
def functions() -> tuple[Function, ...]:
    return tuple(one for module in modules() for one in functions_of(module.tree, str(module.path.relative_to(SOURCE))))


def functions_of(tree: ast.AST, place: str) -> Iterator[Function]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(
                place=f"{place}:{node.lineno} {node.name}",
                lines=length(node),
                typed=is_typed(node),
                public=not node.name.startswith("_"),
                documented=ast.get_docstring(node) is not None,
            )


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end without the docstring, which should be as long as it needs to be."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    if ast.get_docstring(node) is not None:
        first = node.body[0]
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def is_typed(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    spec = node.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs, *([spec.vararg] if spec.vararg else [])]
    named += [spec.kwarg] if spec.kwarg else []
    return node.returns is not None and all(a.annotation or a.arg in {"self", "cls"} for a in named)


def broad_excepts() -> list[tuple[str, bool]]:
    """Every `except` of everything, and whether its line (or the one after) gives a reason."""
    found = []
    for module in modules():
        lines = module.path.read_text().splitlines()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler) and catches_all(node) and not raises_again(node):
                told = any("#" in line for line in lines[node.lineno - 1 : node.lineno + 1])
                found.append((f"{module.path.relative_to(SOURCE)}:{node.lineno}", told))
    return found


def catches_all(node: ast.ExceptHandler) -> bool:
    return node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"})


def raises_again(node: ast.ExceptHandler) -> bool:
    """A handler that cleans up and raises what it caught hides nothing."""
    last = node.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def percentile(values: list[int], share: float) -> int:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def test_functions_fit_a_screen() -> None:
    lengths = [one.lines for one in functions()]
    over = [f"{one.place}: {one.lines} lines" for one in functions() if one.lines > FUNCTION_MAX_LINES]
    assert statistics.median(lengths) <= FUNCTION_MEDIAN_LINES
    assert percentile(lengths, 0.95) <= FUNCTION_P95_LINES
    assert len(over) <= len(lengths) * FUNCTION_OVER_MAX_SHARE, over


def test_modules_are_small() -> None:
    lengths = [module.lines for module in modules() if module.lines > 3]  # an empty package is no module
    over = [f"{m.path.relative_to(SOURCE)}: {m.lines} lines" for m in modules() if m.lines > MODULE_MAX_LINES]
    assert statistics.median(lengths) <= MODULE_MEDIAN_LINES
    assert percentile(lengths, 0.9) <= MODULE_P90_LINES
    assert over == []


def test_every_module_says_what_it_is_for() -> None:
    assert [str(m.path.relative_to(SOURCE)) for m in modules() if not m.documented] == []


def test_public_functions_are_documented() -> None:
    public = [one for one in functions() if one.public]
    silent = [one.place for one in public if not one.documented]
    assert 1 - len(silent) / len(public) >= PUBLIC_DOCSTRING_SHARE, silent


def test_every_function_is_typed() -> None:
    assert [one.place for one in functions() if not one.typed] == []


def test_a_broad_except_is_rare_and_gives_its_reason() -> None:
    found = broad_excepts()
    assert len(found) <= BROAD_EXCEPTS_MAX, found
    assert [place for place, told in found if not told] == []


def test_no_test_waits_by_the_clock() -> None:
    """A sleep is a guess; wait for what is meant. `asyncio.sleep(0)` only gives way."""
    guess = re.compile(r"\bsleep\((?!0\))")
    found = []
    for path in sorted(TESTS.rglob("test_*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if guess.search(line) and "pg_sleep" not in line and path != Path(__file__):
                found.append(f"{path.relative_to(TESTS)}:{number}")
    assert found == []


def test_the_measure_itself_sees_what_it_should() -> None:
    code = 'def long(a, b: int) -> None:\n    """Doc.\n\n    More.\n    """\n' + "    a = 1\n" * 80
    (found,) = functions_of(ast.parse(code), "made_up.py")
    assert (found.lines, found.typed, found.documented) == (81, False, True)
    handlers = [
        node
        for node in ast.walk(
            ast.parse("try:\n    f()\nexcept Exception:\n    pass\ntry:\n    f()\nexcept OSError: pass")
        )
        if isinstance(node, ast.ExceptHandler)
    ]
    assert [catches_all(node) for node in handlers] == [True, False]
