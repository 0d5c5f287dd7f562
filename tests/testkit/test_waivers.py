"""Waivers: one file, reasons, and only ever fewer of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from onhand.sdk import registry
from onhand.testkit.check import CHECKS
from onhand.testkit.suite import waived
from onhand.testkit.verdict import Verdict
from onhand.testkit.waivers import WaiversInvalid, near, of_connector, read_waivers

FILE = Path(__file__).parents[1] / "connectors" / "waivers.toml"
WAIVERS_MAX = 0
"""May only become less."""


def test_there_are_not_more_waivers_than_there_were() -> None:
    assert len(read_waivers(FILE)) <= WAIVERS_MAX


def test_each_waiver_is_of_a_check_and_a_connector_that_exist() -> None:
    for each in read_waivers(FILE):
        assert each.check in CHECKS
        assert each.connector in registry.installed()


def test_the_file_is_found_from_the_tests_of_every_connector() -> None:
    assert near(FILE.parent / "rest" / "test_conformance.py") == FILE


@pytest.mark.parametrize(
    "text",
    [
        '[[waiver]]\nconnector = "a"\ncheck = "K26"\nreason = "short"\nowner = "ada"',
        '[[waiver]]\nconnector = "a"\ncheck = "26"\nreason = "its partner is a shoe box"\nowner = "ada"',
        '[[waiver]]\nconnector = "a"\ncheck = "K26"\nreason = "its partner is a shoe box"',
        2 * '[[waiver]]\nconnector = "a"\ncheck = "K26"\nreason = "its partner is a shoe box"\nowner = "ada"\n',
    ],
    ids=["no reason", "no check", "no owner", "twice"],
)
def test_a_waiver_that_says_too_little_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").write_text(text)
    with pytest.raises(WaiversInvalid):
        read_waivers(tmp_path / "waivers.toml")


def test_a_waiver_excuses_a_failure_and_is_a_failure_once_the_check_passes(tmp_path: Path) -> None:
    (tmp_path / "waivers.toml").write_text(
        '[[waiver]]\nconnector = "a"\ncheck = "K26"\nreason = "its partner is a shoe box"\nowner = "ada"\n'
    )
    reasons = of_connector(read_waivers(tmp_path / "waivers.toml"), "a")
    failed = Verdict(id="K26", sentence="What is old never overwrites what is new.", result="failed", detail="it did")
    assert waived(failed, reasons).result == "waived"
    assert "take the waiver away" in waived(Verdict(id="K26", sentence="", result="passed"), reasons).detail
    assert waived(Verdict(id="K25", sentence="", result="passed"), reasons).result == "passed"
    assert of_connector(read_waivers(tmp_path / "waivers.toml"), "b") == {}
