"""Uses an installed Onhand as its user would, away from its sources: `./dev wheel` runs this, pytest does not.

The first argument is the source folder that must not be in use, the second a place for data.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import onhand
from onhand.store.postgres import migrations, queries


def main(source: str, data: str) -> None:
    """Fail with an AssertionError that names what the wheel lacks."""
    installed = Path(onhand.__file__).resolve()
    assert not installed.is_relative_to(Path(source).resolve()), f"{installed} is the source, not the wheel"
    assert metadata.version("onhand") == onhand.__version__, "the wheel and the package state different versions"
    root = installed.parent
    for wanted in ("py.typed", "store/schema.txt"):
        assert (root / wanted).is_file(), f"the wheel lacks {wanted}"
    assert migrations.shipped().migrations, "the wheel lacks the migrations"
    assert migrations.shipped().functions, "the wheel lacks the functions"
    here = sorted(path.name for path in (root / "store" / "queries").glob("*.sql"))
    there = sorted(path.name for path in (Path(source) / "onhand" / "store" / "queries").glob("*.sql"))
    assert here == there, f"the wheel has the query files {here}, the source has {there}"
    queries.load(root / "store" / "queries")
    command = [str(Path(sys.executable).parent / "onhand"), "db"]
    assert onhand_says([*command, "migrate", "--data-dir", data, "--json"])["applied"]
    assert onhand_says([*command, "migrate", "--data-dir", data, "--json"])["applied"] == []
    sys.stdout.write(f"dev: the wheel of onhand {onhand.__version__} works\n")


def onhand_says(command: list[str]) -> dict[str, object]:
    """The JSON that one command prints."""
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    answer: dict[str, object] = json.loads(run.stdout)
    return answer


if __name__ == "__main__":
    main(*sys.argv[1:])
