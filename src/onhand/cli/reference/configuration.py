"""The page of settings: every `ONHAND_*` variable that a process reads, by what it is about."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from onhand.cli.reference.markdown import code, head, table
from onhand.http.settings import PREFIX, HttpSettings
from onhand.ops import settings

INTRODUCTION = """\
Settings say how a *process* runs. What the *business* decides is in the [network](network.md) instead. A flag wins
over its variable, a variable over the default. A variable that begins with `ONHAND_` and that nothing reads is warned
of; one that begins with `ONHAND_HTTP_` and that nothing reads stops the server before it starts.
"""

ELSEWHERE: Final = (
    ("ONHAND_URL", "", "The address of the hub that a client or a verb of the command line speaks to."),
    ("ONHAND_KEY", "", "The API key that it sends."),
    ("PG_BIN", "", "A directory of PostgreSQL's programs: the first place where the embedded server looks for them."),
    ("ONHAND_TEST_PG", "`wheel`", "For this repository's tests only: on which PostgreSQL, `wheel` or `system`."),
    ("ONHAND_TEST_PROFILE", "`fast`", "For this repository's tests only: how many examples, `fast` or `ci`."),
)
"""Variables that are no settings of a server process, with the same three columns."""

TITLES = ("Variable", "Default", "Meaning")


def page() -> str:
    """The whole page."""
    return "\n".join(
        [
            head("Settings", INTRODUCTION, source="`onhand.ops.settings` and `onhand.http.settings`"),
            "## The database\n\n[The guide](../guides/postgresql.md) says which to choose.\n",
            table(TITLES, [(f"`{s.variable}`", code(s.default), _sentence(s.meaning)) for s in settings.described()]),
            "## The API of one node\n\n[The guide](../guides/production.md) says which to look at first.\n",
            table(TITLES, [_http_row(name) for name in HttpSettings.__struct_fields__]),
            "## Read elsewhere\n",
            table(TITLES, [(f"`{name}`", default, meaning) for name, default, meaning in ELSEWHERE]),
        ]
    )


def _http_row(name: str) -> tuple[str, str, str]:
    about = _http_properties()[name]
    values = about.get("enum")
    choice = f" One of {', '.join(f'`{value}`' for value in values)}." if values else ""
    return f"`{PREFIX}{name.upper()}`", code(about["default"]), _sentence(about["description"]) + choice


def _http_properties() -> dict[str, Any]:
    _, components = msgspec.json.schema_components((HttpSettings,))
    found: dict[str, Any] = components["HttpSettings"]["properties"]
    return found


def _sentence(text: str) -> str:
    return text.rstrip(".") + "."
