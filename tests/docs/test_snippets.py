"""Every snippet runs, parses or at least exists: none of them is a picture of what once worked.

`console` and `python` blocks of a page run one after the other in one terminal, against a hub of their own; what the
page tells its reader to save (`<!-- save as ... -->`) lies in that folder. `sh` blocks must be valid shell whose
`onhand` commands exist; `yaml` and `json` are read by what reads them in the product. A block that cannot run says why
in a comment above it, `<!-- not run: ... -->`, and is counted.
"""

from __future__ import annotations

import doctest
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cyclopts.exceptions import CycloptsError

from onhand import cli
from onhand.app.network_files import read_network
from onhand.cli.reference import metrics
from onhand.contracts import cloudevents, strict_json
from onhand.contracts.registry import packaged
from onhand.domain.errors import InvalidInput
from tests.docs import commands
from tests.docs.pages import ROOT, Block, blocks, pages

NOT_RUN_MAX = 0
"""Blocks that do not run. Each one more is a reason given here and above the block."""

RUN = {"console", "python"}
READ = {"sh", "yaml", "json"}
SHOWN = {"text", ""}

ALL = [block for page in pages() for block in blocks(page)]
LIVE = [page for page in pages() if any(block.language in RUN for block in blocks(page))]


def not_run(block: Block) -> bool:
    return block.note.startswith("not run: ")


def saved_as(block: Block) -> str:
    """The name under which the reader is told to save a block; empty where not."""
    return block.note.removeprefix("save as ") if block.note.startswith("save as ") else ""


def of(*languages: str) -> list[Block]:
    return [block for block in ALL if block.language in languages and not not_run(block)]


def place(value: Block | Path) -> str:
    return value.place if isinstance(value, Block) else str(value.relative_to(ROOT))


def test_every_block_runs_or_says_why_not() -> None:
    silent = [block.place for block in ALL if block.language not in RUN | READ | SHOWN and not not_run(block)]
    assert silent == [], "blocks of a language that nothing tests"
    skipped = [f"{block.place}: {block.note}" for block in ALL if not_run(block)]
    assert len(skipped) <= NOT_RUN_MAX, skipped


@pytest.mark.parametrize("page", LIVE, ids=place)
def test_what_a_page_shows_is_what_happens(
    page: Path, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = [block for block in blocks(page) if (block.language in RUN or saved_as(block)) and not not_run(block)]
    shared: dict[str, object] = {"__name__": "__main__"}
    with commands.terminal(tmp_path, ONHAND_DSN=dsn) as terminal:
        for block in live:
            if name := saved_as(block):
                (terminal.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (terminal.folder / name).write_text(block.text, encoding="utf-8")
                continue
            if block.language == "console":
                run_console(block, terminal)
                continue
            for name, value in terminal.variables().items():
                if name.startswith("ONHAND_"):
                    monkeypatch.setenv(name, value)
            monkeypatch.chdir(terminal.folder)
            run_python(block, shared, port=terminal.port)


def run_console(block: Block, terminal: commands.Terminal) -> None:
    """Run the commands of a block. All must succeed, unless a comment says otherwise: `<!-- exit code N -->` of the
    last, `<!-- fails on purpose -->` of any.
    """
    shown = commands.commands(block.text)
    for number, command in enumerate(shown, 1):
        told = re.fullmatch(r"exit code (\d+)", block.note) if number == len(shown) else None
        code = int(told[1]) if told else None if block.note == "fails on purpose" else 0
        try:
            terminal.run(command, code=code)
        except AssertionError as failure:
            raise AssertionError(f"{block.place}\n{failure}") from None


def run_python(block: Block, shared: dict[str, object], *, port: str) -> None:
    text = block.text.replace(commands.PORT, port)
    if ">>>" not in text:
        exec(compile(text, block.place, "exec"), shared)  # noqa: S102 - it is what the page tells readers to run
        return
    test = doctest.DocTestParser().get_doctest(text, shared, block.place, str(block.page), block.line)
    test.globs = shared
    said: list[str] = []
    doctest.DocTestRunner(optionflags=commands.LOOSE).run(test, out=said.append, clear_globs=False)
    assert said == [], "".join(said)


@pytest.mark.parametrize("block", of("sh"), ids=place)
def test_shell_is_shell_and_its_commands_exist(block: Block) -> None:
    checked = subprocess.run(["sh", "-n"], input=block.text, capture_output=True, text=True, check=False)
    assert checked.stderr == ""
    for line in block.text.splitlines():
        exists(line)


@pytest.mark.parametrize("page", pages(), ids=place)
def test_commands_that_prose_names_exist(page: Path) -> None:
    for text in re.findall(r"`((?:onhand|\./dev) [^`\n]+)`", page.read_text(encoding="utf-8")):
        if not re.search(r"[A-Z]{2,}|\.\.\.|…|\||/v\d", text):  # a pattern with placeholders, not a command
            exists(text, whole=False)


def exists(line: str, *, whole: bool = True) -> None:
    """Fail unless the command line could be typed; with `whole` its arguments are checked too."""
    words = shlex.split(re.split(r"[|&;<>]", line)[0], comments=True) if line.strip() else []
    if words[:1] == ["./dev"] and len(words) > 1:
        assert f"\n  {words[1]} " in (ROOT / "dev").read_text(), line
    if words[:1] != ["onhand"]:
        return
    if whole:
        try:
            cli.root().parse_args(words[1:], exit_on_error=False, print_error=False)
        except CycloptsError as error:
            raise AssertionError(f"{line}: {error}") from None
        return
    app = cli.root()
    for word in words[1:]:
        if word.startswith("-"):
            break
        if word not in list(app):
            assert app.default_command is not None, f"{line}: there is no {word!r}"
            break
        app = app[word]


@pytest.mark.parametrize("block", of("yaml"), ids=place)
def test_yaml_is_a_network_that_could_be_applied_or_alerts_on_metrics_that_exist(block: Block) -> None:
    if block.note == "rules of Prometheus":
        rules = yaml.safe_load(block.text)
        named = set(re.findall(r"\bonhand_\w+", json.dumps([r["expr"] for g in rules["groups"] for r in g["rules"]])))
        known = {m.name for m in metrics.every()} | {f"{m.name}_bucket" for m in metrics.every()}
        assert named
        assert named <= known
        return
    read_network({"page.yaml": block.text})


@pytest.mark.parametrize("block", of("json"), ids=place)
def test_json_is_read_and_events_keep_their_contract(block: Block) -> None:
    document = strict_json.loads(block.text.encode())
    for event in document if isinstance(document, list) else [document]:
        if isinstance(event, dict) and "specversion" in event:
            envelope = cloudevents.decode_structured(strict_json.dumps(event))
            assert not isinstance(envelope, InvalidInput), envelope
            assert packaged().validate(envelope.type, envelope.version or 1, envelope.data) == []


def test_the_terminal_itself_sees_a_difference(tmp_path: Path) -> None:
    with commands.terminal(tmp_path) as terminal:
        terminal.run(commands.Command("export A=1; mkdir deep; cd deep", ""))
        assert terminal.run(commands.Command("echo $A ${PWD##*/}", "1 ...")) == "1 deep\n"
        assert terminal.variables()["A"] == "1"
        with pytest.raises(AssertionError, match="it prints"):
            terminal.run(commands.Command("echo no", "yes"))
        with pytest.raises(AssertionError, match="exit code 3"):
            terminal.run(commands.Command("exit 3", ""))
        assert terminal.run(commands.Command("exit 3", ""), code=3) == ""
        serving = f"{sys.executable} -u -c 'import signal; print(\"on 8480\"); signal.pause()' &"
        assert terminal.run(commands.Command(serving, "on 8480")).strip() == "on 8480"
    assert terminal.background[0].returncode is not None


def test_a_page_that_shows_a_wrong_number_is_found(tmp_path: Path) -> None:
    block = Block(ROOT / "made_up.md", 1, "python", ">>> 1 + 1\n3\n", "")
    with pytest.raises(AssertionError, match="Expected"):
        run_python(block, {}, port=os.devnull)
    with pytest.raises(AssertionError, match="there is no 'nope'"):
        exists("onhand db nope", whole=False)
    with pytest.raises(AssertionError, match="--nope"):
        exists("onhand db status --nope")
