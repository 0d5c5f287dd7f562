"""The few pieces of HTML that the documentation pages are made of: a frame, escaping, and simple marked-up text."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from importlib import resources

_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s]+)\)")


def page(*, title: str, navigation: str, body: str) -> bytes:
    """A whole page; both parts are HTML, the title is text."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{_style()}</style></head><body>"
        '<a class="skip" href="#content">Skip to the content</a>'
        f'<nav aria-label="Contents">{navigation}</nav><main id="content">{body}</main></body></html>'
    ).encode()


def text(value: object) -> str:
    """A value as HTML text, also right inside quoted attributes."""
    return escape(str(value), quote=True)


def inline(value: str) -> str:
    """One line with `code`, **bold** and [links](url) as HTML."""
    marked = _CODE.sub(r"<code>\1</code>", text(value))
    marked = _BOLD.sub(r"<strong>\1</strong>", marked)
    return _LINK.sub(r'<a href="\2">\1</a>', marked)


def paragraphs(value: str) -> str:
    """Paragraphs that blank lines set apart."""
    return "".join(f"<p>{inline(' '.join(part.split()))}</p>" for part in value.split("\n\n") if part.strip())


@cache
def _style() -> str:
    return (resources.files("onhand.http") / "page.css").read_text(encoding="utf-8")
