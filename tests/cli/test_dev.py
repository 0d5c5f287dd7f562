"""`./dev`, the door for contributors: plain POSIX shell, from anywhere, saying what it can do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DEV = Path(__file__).parents[2] / "dev"


def dev(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DEV, *arguments], capture_output=True, text=True, check=False, cwd=cwd)


@pytest.mark.parametrize("shell", ["dash", "bash", "busybox"])
def test_it_is_plain_posix_shell(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here ('apt-get install {shell}' brings it)")
    command = [shell, "sh", "-n", str(DEV)] if shell == "busybox" else [shell, "-n", str(DEV)]
    assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


def test_help_lists_every_verb_and_sets_nothing_up(tmp_path: Path) -> None:
    alone = tmp_path / "dev"
    shutil.copy(DEV, alone)
    run = subprocess.run([alone], capture_output=True, text=True, check=False)
    assert run.returncode == 0
    for verb in ("demo", "test", "lint", "bench", "docs", "shell", "setup", "lock", "wheel", "schema"):
        assert f"\n  {verb} " in run.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["dev"]


def test_an_unknown_verb_is_a_usage_error() -> None:
    run = dev("nope")
    assert run.returncode == 2
    assert "usage" in run.stderr


def test_no_python_is_told_with_what_to_do(tmp_path: Path) -> None:
    for name in ("dev", "requirements.lock", "pyproject.toml"):
        shutil.copy(DEV.parent / name, tmp_path / name)
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("dirname", "cat", "cksum", "mkdir", "id"):
        (tools / name).symlink_to(shutil.which(name) or name)
    run = subprocess.run(
        ["/bin/sh", tmp_path / "dev", "setup"], capture_output=True, text=True, check=False, env={"PATH": str(tools)}
    )
    assert run.returncode == 3
    assert "Python 3.11 or later" in run.stderr
