"""The generated pages are what the code says today, and nothing that a user can meet is missing from them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from onhand import cli
from onhand.cli import reference
from onhand.cli.reference import limits, metrics, tables, verbs
from onhand.contracts import registry
from onhand.domain.errors import OnhandError
from onhand.http import error_catalogue
from tests.docs.pages import GENERATED, ROOT, anchors

PAGES = reference.pages()
SOURCE = ROOT / "src" / "onhand"


def sources() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("name", PAGES)
def test_a_committed_page_is_what_the_code_gives(name: str) -> None:
    assert (GENERATED / name).read_text(encoding="utf-8") == PAGES[name], f"run: {reference.COMMAND}"


def test_no_page_is_left_of_what_is_gone() -> None:
    marked = {
        str(page.relative_to(GENERATED))
        for page in GENERATED.rglob("*.md")
        if re.search(r"^<!-- (Generated|Written by)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert marked == {name for name in PAGES if name.endswith(".md")}


def test_writing_says_what_changed_and_nothing_the_second_time(tmp_path: Path) -> None:
    assert sorted(reference.write(tmp_path)) == sorted(PAGES)
    assert reference.write(tmp_path) == []


def test_every_verb_and_every_flag_is_told_and_explained() -> None:
    page = PAGES["cli.md"]
    app = cli.root()
    silent = []
    for verb in cli.VERBS:
        for words, command in verbs.commands(app[verb.name], ("onhand", verb.name)):
            assert f"# {' '.join(words)}\n" in page
            taken = verbs.arguments(command)
            silent += [f"{' '.join(words)} {each.names[0]}" for each in taken if not each.parameter.help]
    assert silent == [], "arguments without a help"
    for code in (cli.OK, cli.NO, cli.USAGE, cli.REFUSED, cli.UNAVAILABLE):
        assert f"| {code} | " in verbs.exit_codes()


def test_every_variable_that_the_code_reads_is_told() -> None:
    named = {name for path in sources() for name in re.findall(r"\bONHAND_[A-Z_]*[A-Z]\b|\bPG_BIN\b", path.read_text())}
    named -= {"ONHAND_DATADIR", "ONHAND_HTTP"}
    assert sorted(name for name in named if f"`{name}`" not in PAGES["settings.md"]) == []


def test_every_limit_gives_its_reason() -> None:
    assert [one.name for _, module in limits.MODULES for one in limits.limits(module) if not one.reason] == []


def test_every_module_of_limits_is_on_the_page() -> None:
    assert {f"{module.__name__}" for _, module in limits.MODULES} >= {
        f"onhand.{path.relative_to(SOURCE).with_suffix('').as_posix().replace('/', '.')}"
        for path in sources()
        if path.name == "limits.py" and path.parent.name != "reference"
    }


def test_every_metric_is_told_and_means_something() -> None:
    for metric in metrics.every():
        assert f"| `{metric.name}` |" in PAGES["metrics.md"]
        assert metric.name.startswith("onhand_")
        assert metric.meaning.endswith(".")


def test_metrics_are_made_in_one_place_only() -> None:
    makers = [path for path in sources() if re.search(r"\b(Counter|Gauge|Histogram|Summary)\(\s*\"", path.read_text())]
    assert makers == [SOURCE / "ops" / "metrics.py"]


def test_every_event_type_has_its_page() -> None:
    for contract in registry.packaged():
        assert any(name.startswith(f"events/{contract.type}") for name in PAGES)


def test_every_error_code_in_the_code_is_explained() -> None:
    explained = anchors(GENERATED / "errors.md") | anchors(GENERATED / "cli.md")
    declared = {
        code: path.relative_to(SOURCE)
        for path in sources()
        if "OnhandError" in (text := path.read_text()) or "onhand.domain.errors" in text
        for code in re.findall(r"^    code(?:: ClassVar\[str\])? = \"([a-z_]+)\"$", text, re.MULTILINE)
    }
    assert declared
    assert {code: str(path) for code, path in declared.items() if code not in explained} == {}


def test_no_two_errors_share_a_code_and_mean_different_things() -> None:
    owners: dict[str, set[str]] = {}
    error_catalogue.catalogue()
    verbs.only_told_here()
    waiting: list[type[OnhandError]] = [OnhandError]
    while waiting:
        error = waiting.pop()
        waiting += error.__subclasses__()
        if error.__module__.startswith("onhand.") and "code" in vars(error):
            owners.setdefault(error.code, set()).add(error.__qualname__)
    assert {code: names for code, names in owners.items() if len(names) > 1} == {}


def test_every_table_and_view_and_what_it_is_for_is_told() -> None:
    found = tables.tables()
    text = (SOURCE / "store" / "schema.txt").read_text()
    there = [block for block in text.split("\n\n") if re.match(r"(table|view) ", block)]
    assert {one.name for one in found} == {block.split()[1] for block in there}
    assert [one.name for one in found if not one.meaning] == []
    for one in found:
        assert f"\n### {one.name}\n" in PAGES["schema.md"]
        assert one.columns


def test_dev_docs_writes_these_pages() -> None:
    told = (ROOT / "dev").read_text()
    assert "onhand.cli.reference docs/reference" in told
    run = subprocess.run([ROOT / "dev", "help"], capture_output=True, text=True, check=True)
    assert "\n  docs " in run.stdout
