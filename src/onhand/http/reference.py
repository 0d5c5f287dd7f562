"""Writes the reference pages of the API: `python -m onhand.http.reference docs/reference`.

A test compares what is written with what lies in the repository, so that the pages cannot fall behind the code.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onhand.http import error_catalogue, openapi
from onhand.http.settings import PREFIX, HttpSettings

Json = Mapping[str, Any]


def files() -> dict[str, str]:
    """The pages by file name."""
    return {
        "openapi.json": openapi.encoded().decode() + "\n",
        "api.md": api_markdown(openapi.document()),
        "errors.md": error_catalogue.markdown(),
    }


def api_markdown(document: Json) -> str:
    """The reference of all operations and settings as Markdown."""
    parts = [
        "# HTTP API",
        "<!-- Written by `python -m onhand.http.reference docs/reference`; do not edit by hand. -->",
        document["info"]["description"].replace("(/docs/errors)", "(errors.md)"),
        (
            "The same as data: [openapi.json](openapi.json), also at `/openapi.json`; as a page: `/docs`. "
            "How to work with it: [the guide](../guides/api.md)."
        ),
    ]
    for tag in document["tags"]:
        parts.append(f"## {tag['name']}\n\n{tag['description']}")
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if operation["tags"][0] == tag["name"]:
                    parts += _operation(method.upper(), path, operation)
    parts += _settings()
    return "\n\n".join(parts) + "\n"


def _operation(method: str, path: str, operation: Json) -> Iterator[str]:
    yield f"### {operation['summary']}\n\n`{method} {path}`"
    yield str(operation["description"])
    if operation["parameters"]:
        yield "\n".join(
            f"- `{each['name']}` ({each['in']}{', required' if each['required'] else ''}): {each['description']}"
            for each in operation["parameters"]
        )
    yield "\n".join(_answers(operation["responses"]))


def _answers(responses: Json) -> Iterator[str]:
    yield "| Status | Meaning |\n| --- | --- |"
    for status, response in responses.items():
        content: Json = next(iter(response.get("content", {}).values()), {})
        codes = " ".join(f"[{code}](errors.md#{code})" for code in content.get("examples", ()))
        yield f"| {status} | {codes or response['description']} |"


def _settings() -> Iterator[str]:
    yield "## Settings\n\nOf one node's HTTP side, from the environment."
    lines = ["| Variable | Default | Meaning |", "| --- | --- | --- |"]
    properties = _properties()
    for name in HttpSettings.__struct_fields__:
        about = properties[name]
        lines.append(f"| `{PREFIX}{name.upper()}` | `{about['default']}` | {about['description']} |")
    yield "\n".join(lines)


def _properties() -> dict[str, Any]:
    import msgspec  # noqa: PLC0415  (only this page needs it)

    _, components = msgspec.json.schema_components((HttpSettings,))
    found: dict[str, Any] = components["HttpSettings"]["properties"]
    return found


def main(folder: Path) -> None:
    """Write all pages into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
