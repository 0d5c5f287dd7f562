"""Nothing in the repository speaks of where and how it was made: only of what it is."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs.pages import ROOT

_SLASH = "/"
FORBIDDEN = {
    "a path of a machine that it was made on": rf"{_SLASH}work{_SLASH}|{_SLASH}tmp{_SLASH}bash_jobs",
    "the host of a package registry": r"pypi[.]org|files[.]pythonhosted|registry[.]npmjs|deb[.]debian|proxy[.]golang",
    "a paper that is not in the repository": r"\b(?:DESIGN|STYLE|PAINS|STANDARDS|BRIEF)\.(?:md\b|\s*§)|DESIGN §",
    "the tracker's own command": r"\bissues (?:show|list|create)\b",
    "a promise that no distributed system can keep": r"(?i)\bexactly[- ]once (?:delivery|semantics)\b",
}


def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in run.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what: str) -> None:
    pattern = re.compile(FORBIDDEN[what])
    found = []
    for name in tracked():
        if name == "tests/docs/test_words.py":
            continue
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{n}: {line.strip()[:100]}" for n, line in enumerate(text.splitlines(), 1) if pattern.search(line)
        ]
    assert found == [], what


def test_the_patterns_find_what_they_should() -> None:
    examples = [
        f"{_SLASH}work{_SLASH}main",
        "https://pypi.org/simple",
        "see DESIGN.md",
        "issues show 2",
        "exactly once delivery",
    ]
    for pattern, example in zip(FORBIDDEN.values(), examples, strict=True):
        assert re.search(pattern, example), example
