"""A verb that is told to end, by Ctrl-C or by `kill`, leaves nothing running behind it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onhand import cli
from tests.cli.desk import ONHAND
from tests.sim.books import HEADING, book


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="children are looked up in /proc")
@pytest.mark.parametrize(
    ("number", "behind"),
    [(signal.SIGTERM, ""), (signal.SIGINT, ""), (signal.SIGTERM, "trap '' INT; ")],
    ids=["kill", "ctrl-c", "kill in the background of a script"],
)
def test_a_replay_that_is_told_to_end_takes_its_node_with_it(
    tmp_path: Path, dsn: str, number: signal.Signals, behind: str
) -> None:
    """Ended by `kill`, it left its node and its database running for ever; with Ctrl-C ignored it did not even end."""
    rows = "1,10001,MUG,1,2019-03-01 08:00,1,5,France\n2,10001,MUG,1,2019-03-01 20:00,1,5,France\n"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONHAND_")}
    command = [str(ONHAND), "replay", str(book(tmp_path, HEADING + rows)), "--speed", "1x", "--dsn", dsn]
    command = ["/bin/sh", "-c", f'{behind}exec "$@"', "sh", *command]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        while "%" not in (line := run.stderr.readline()):
            assert line, "it ended before it had begun"
        children = [int(pid) for pid in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]
        assert children, "its node runs, and waits for the twelve hours to pass"
        run.send_signal(number)
        try:
            assert run.wait(timeout=90) == cli.INTERRUPTED
        finally:
            run.kill()
    assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
