"""Plans and versions as a terminal shows them: one line a difference, then what it sets in motion.

The first character says what happens, so that a plan reads the same without colours: + comes, - goes, ~ changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final

import msgspec
from rich.text import Text

from onhand.app.apply_network import Plan
from onhand.app.ports_network import NetworkVersion, VersionLine
from onhand.domain.network_diff import Action, Change
from onhand.domain.network_effects import Effects

VALUE_CHARACTERS_MAX: Final = 400
"""A longer value is shown shortened; `--json` has it whole."""

_MARKS: Final[Mapping[Action, tuple[str, str, str]]] = {
    "add": ("+", "green", ""),
    "remove": ("-", "red", ""),
    "change": ("~", "yellow", ""),
    "retire": ("-", "red", " is retired (kept for history)"),
    "bring_back": ("+", "green", " is brought back"),
}


def plan_text(plan: Plan) -> Text:
    """Return a whole plan."""
    running = f"version {plan.base}" if plan.base else "nothing yet"
    if plan.empty:
        return Text(f"No changes: what these files say is in force ({running}).")
    return Text("\n").join([Text(f"In force: {running}."), *_change_lines(plan), *_effect_lines(plan.effects)])


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as `--json` shows it."""
    return {
        "base": plan.base,
        "empty": plan.empty,
        "changes": [{"action": each.action, **msgspec.to_builtins(each)} for each in plan.changes],
        "effects": msgspec.to_builtins(plan.effects),
    }


def when(version: VersionLine) -> str:
    """Return when a version was applied, to the second."""
    return version.applied_at.strftime("%Y-%m-%d %H:%M:%S %Z")


def version_text(version: NetworkVersion) -> Text:
    """Return a version with its files, each below its name."""
    head = f"version {version.version}, applied {when(version)} by {version.applied_by}"
    lines = [Text(": ".join(filter(None, (head, version.message))), style="bold")]
    for name, text in sorted(version.files.items()):
        lines += [Text(f"--- {name}", style="bold"), Text(text.rstrip("\n"))]
    return Text("\n").join(lines)


def _change_lines(plan: Plan) -> Iterator[Text]:
    for section, changes in groupby(plan.changes, key=lambda change: change.section):
        yield Text(f"\n{section}", style="bold")
        for change in changes:
            yield from _lines(change)


def _lines(change: Change) -> Iterator[Text]:
    mark, style, words = _MARKS[change.action]
    where = " ".join((change.code, ".".join(change.field))).rstrip() if not words else change.code
    if words:
        yield Text(f"  {mark} {where}{words}", style=style)
    elif change.action == "change":
        yield Text(f"  {mark} {where}: {_value(change.old)} -> {_value(change.new)}", style=style)
    else:
        yield Text(f"  {mark} {where}: {_value(change.new if mark == '+' else change.old)}", style=style)


def _value(value: Any) -> str:
    """Return a value as YAML would flow it; what an entry does not say is left out."""
    if value is msgspec.UNSET:
        return "(nothing)"
    if isinstance(value, dict):
        said = ", ".join(f"{key}: {_value(each)}" for key, each in value.items() if _says_something(key, each))
        return _shortened("{" + said + "}")
    if isinstance(value, list | tuple):
        return _shortened(f"[{', '.join(map(_value, value))}]")
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return _shortened(str(value))


def _says_something(key: str, value: Any) -> bool:
    if isinstance(value, dict):
        return any(_says_something(inner, each) for inner, each in value.items())
    return key == "sellable" or (key != "code" and value not in (None, False, "", [], ()))


def _shortened(text: str) -> str:
    return text if len(text) <= VALUE_CHARACTERS_MAX else text[: VALUE_CHARACTERS_MAX - 3] + "..."


def _effect_lines(effects: Effects) -> Iterator[Text]:
    if effects == Effects():
        return
    yield Text("\nWhat this sets in motion", style="bold")
    for flip in effects.flips:
        becomes = "becomes sellable" if flip.sellable else "is no longer sellable"
        yield Text(f"  ! stock in status {flip.status} {becomes}, in every channel", style="magenta")
    for channel, reasons in effects.channels.items():
        yield Text(f"  ! the numbers of {channel} can change: {'; '.join(reasons)}", style="magenta")
    for silenced in effects.silenced:
        systems = ", ".join(silenced.systems)
        yield Text(f"  ! {silenced.event_type} from {systems} will be quarantined from now on", style="magenta")
