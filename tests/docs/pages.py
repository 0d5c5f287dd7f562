"""Reads the documentation as its readers see it: pages, headings, links, fenced blocks and the comments above them."""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
GENERATED = DOCS / "reference"

_FENCE = re.compile(r"^( *)(`{3,})([\w-]*) *$")
_NOTE = re.compile(r"^<!-- (.+?) -->$", re.DOTALL)
_LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^()\s>]+(?:\([^)]*\))?)>?(?:\s+\"[^\"]*\")?\s*\)")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it is, its language, its text, and the HTML comment right above it."""

    page: Path
    line: int
    language: str
    text: str
    note: str

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@cache
def pages() -> tuple[Path, ...]:
    """Every Markdown page of the repository, also those that are new."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(sorted(path for name in run.stdout.splitlines() if (path := ROOT / name).is_file()))


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return list(_blocks(page, page.read_text(encoding="utf-8")))


def _blocks(page: Path, text: str) -> Iterator[Block]:
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        if not (opened := _FENCE.match(lines[number])):
            number += 1
            continue
        begin = number + 1
        end = begin
        while lines[end].strip() != opened[2]:
            end += 1
        indent = len(opened[1])
        inside = "\n".join(line[indent:] for line in lines[begin:end]) + "\n"
        yield Block(page, begin, opened[3], inside, _note_above(lines[:number]))
        number = end + 1


def _note_above(lines: list[str]) -> str:
    above = "\n".join(lines).rstrip()
    start = above.rfind("<!--")
    match = _NOTE.match(above[start:]) if start >= 0 and above.endswith("-->") else None
    return " ".join(match[1].split()) if match else ""


def prose(page: Path) -> str:
    """A page without its fenced blocks, comments and code: where links are links."""
    outside: list[str] = []
    fence = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        match = _FENCE.match(line)
        if fence:
            fence = "" if line.strip() == fence else fence
        elif match:
            fence = match[2]
        else:
            outside.append(line)
    return re.sub(r"<!--.*?-->", "", "\n".join(outside), flags=re.DOTALL)


def links(page: Path) -> list[str]:
    """The targets of a page's links, those in code left out."""
    return _LINK.findall(re.sub(r"(?<!\[)`[^`\n]+`(?!\])", "", prose(page)))


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that a page offers, as GitHub makes them from headings."""
    seen: Counter[str] = Counter()
    found = set(re.findall(r"<a (?:id|name)=\"([^\"]+)\"", prose(page)))
    for heading in re.findall(r"^#{1,6} +(.+?)\s*#*$", prose(page), re.MULTILINE):
        anchor = slug(heading)
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(found)


def slug(heading: str) -> str:
    """The anchor of a heading: lower case, punctuation gone, blanks as hyphens."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
