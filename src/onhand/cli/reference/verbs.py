"""The page of the command line: every verb with its arguments, flags and exit codes, read from cyclopts itself."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from cyclopts import App
from cyclopts.argument import Argument

from onhand import cli
from onhand.cli.reference.markdown import code, head, table
from onhand.domain.errors import OnhandError

INTRODUCTION = """\
`onhand VERB --help` shows the same in the terminal. Results go to standard output, complaints to standard error. With
`--json` both are JSON, and their form is part of the public interface. A flag wins over its variable, a variable over
the default; [all settings](settings.md).
"""


def page() -> str:
    """The whole page."""
    app = cli.root()
    parts = [head("The command line", INTRODUCTION, source="the verbs of `onhand.cli`"), exit_codes()]
    parts.append("## Verbs\n\n" + table(("Verb", "Does"), [(_link(verb.name), verb.help) for verb in cli.VERBS]))
    for verb in cli.VERBS:
        parts += _sections(app[verb.name], ("onhand", verb.name))
    parts.append(_own_errors())
    return "\n".join(part for part in parts if part)


def exit_codes() -> str:
    """The section about exit codes, from the words of `onhand.cli`."""
    told = " ".join((cli.__doc__ or "").split()).partition("Exit codes: ")[2].rstrip(".")
    rows = [piece.strip().split(" ", 1) for piece in told.split(";")]
    return "## Exit codes\n\n" + table(("Code", "Means"), [(number, meaning.lstrip(", ")) for number, meaning in rows])


def commands(app: App, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], App]]:
    """A command and all below it, each with its words."""
    yield path, app
    for name in app:
        if not name.startswith("-"):
            yield from commands(app[name], (*path, name))


def arguments(app: App) -> list[Argument]:
    """What a command takes, in the order of its declaration."""
    if app.default_command is None:
        return []
    return [each for each in app.assemble_argument_collection() if each.show and each.parameter.parse is not False]


def only_told_here() -> list[type[OnhandError]]:
    """The errors that no node of the API tells: those of the command line and of the simulated world."""
    found: dict[str, type[OnhandError]] = {}
    for layer in ("cli", "sim"):
        package = importlib.import_module(f"onhand.{layer}")
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                for _, error in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                    if issubclass(error, OnhandError) and error.__module__ == module.name:
                        found[error.code] = error
    return [found[name] for name in sorted(found)]


def _sections(app: App, path: tuple[str, ...]) -> Iterator[str]:
    for words, command in commands(app, path):
        yield f"{'#' * len(words)} {' '.join(words)}\n"
        yield _told(command) + "\n"
        if command.default_command is not None:
            yield f"```text\n{_usage(command, words)}\n```\n"
            yield table(("Argument or flag", "Default", "Meaning"), [_row(each) for each in arguments(command)])


def _told(command: App) -> str:
    said = inspect.getdoc(command.default_command) if command.default_command is not None else None
    return said or command.help


def _usage(command: App, words: tuple[str, ...]) -> str:
    taken = arguments(command)
    positional = [_name(each) if each.required else f"[{_name(each)}]" for each in taken if each.index is not None]
    options = ["[flags]"] if any(each.index is None for each in taken) else []
    return " ".join((*words, *positional, *options))


def _name(each: Argument) -> str:
    shown = each.names[0].lstrip("-")
    return shown if each.index is None else shown.upper().replace("-", "_") + ("..." if _many(each) else "")


def _many(each: Argument) -> bool:
    return get_origin(each.hint) in (list, tuple)


def _row(each: Argument) -> tuple[str, str, str]:
    if each.index is not None:
        return f"`{_name(each)}`", _default(each), each.parameter.help or ""
    names = ", ".join(f"`{name}`" for name in each.names if name.startswith("-") and name not in each.negatives)
    return f"{names}{_kind(each.hint)}", _default(each), each.parameter.help or ""


def _kind(hint: Any) -> str:
    """What a flag takes, in a word."""
    if hint is bool:
        return ""
    if get_origin(hint) is Literal:
        return " " + " or ".join(f"`{value}`" for value in get_args(hint))
    if get_origin(hint) in (Union, UnionType):
        return _kind(next(part for part in get_args(hint) if part is not type(None)))
    if get_origin(hint) in (list, tuple):
        return f"{_kind(get_args(hint)[0])} ..."
    if isinstance(hint, type) and issubclass(hint, Enum):
        return " " + " or ".join(f"`{value.value}`" for value in hint)
    words = {"int": "NUMBER", "float": "NUMBER", "Path": "PATH", "datetime": "TIME", "date": "DATE", "str": "TEXT"}
    return f" {words.get(getattr(hint, '__name__', ''), 'VALUE')}"


def _default(each: Argument) -> str:
    if each.required:
        return "*required*"
    value = each.field_info.default
    if value is inspect.Parameter.empty or value is False or value == ():
        return ""
    return code(value)


def _own_errors() -> str:
    parts = [
        "## Errors that only the command line tells\n",
        "All others: [errors](errors.md).\n",
    ]
    for error in only_told_here():
        meaning = " ".join((error.__doc__ or error.title).split())
        parts.append(f"### {error.code}\n\n**{error.title}.** {meaning}\n\n{error.done} {error.remedy}".rstrip() + "\n")
    return "\n".join(parts)


def _link(name: str) -> str:
    return f"[`{name}`](#onhand-{name})"
