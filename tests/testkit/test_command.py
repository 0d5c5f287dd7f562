"""`onhand connector`: from a name to a connector that passes, its record, and what is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from onhand import cli
from onhand.sdk import registry
from onhand.testkit.quality import read_quality
from tests.cli.desk import Terminal


@pytest.fixture
def type_(capsys: pytest.CaptureFixture[str]) -> Terminal:
    return Terminal(capsys)


@pytest.mark.slow
def test_a_new_connector_passes_as_a_draft_at_once_and_its_record_makes_it_more(
    type_: Terminal, tmp_path: Path
) -> None:
    type_("connector", "new", "newly_made", "--folder", tmp_path)
    report = type_("connector", "check", tmp_path / "newly_made", "--write", "--json").json
    assert report["counts"].get("failed", 0) == 0
    assert (report["claimed"], report["earned"], len(report["verdicts"])) == ("draft", "gold", 42)
    package = registry.at(tmp_path / "newly_made", module="newly_made")
    record = read_quality(package)
    assert record is not None
    assert record.figures["orders read/s"] > 0
    assert record.not_applicable.keys() >= {"K21", "K24"}
    kept = type_("connector", "check", tmp_path / "newly_made", "--only", "K40", "--only", "K42", "--json").json
    assert [each["result"] for each in kept["verdicts"]] == ["passed", "passed"]
    _claims_another_version(package.folder)
    stale = type_("connector", "check", package.folder, "--only", "K40", "--json", code=cli.OK).json
    assert stale["verdicts"][0]["result"] == "failed"
    assert stale["earned"] is None


def _claims_another_version(folder: Path) -> None:
    manifest = folder / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('version = "0.1"', 'version = "0.2"'))
    assert tomllib.loads(manifest.read_text())["version"] == "0.2"


def test_a_claimed_tier_that_is_not_earned_is_a_no(type_: Terminal, tmp_path: Path) -> None:
    type_("connector", "new", "proud", "--folder", tmp_path)
    manifest = tmp_path / "proud" / "manifest.toml"
    manifest.write_text(manifest.read_text().replace('tier = "draft"', 'tier = "silver"'))
    found = type_("connector", "check", tmp_path / "proud", "--only", "K40", code=cli.NO)
    assert "there is no quality.toml" in found.out


def test_a_name_that_is_none_and_a_folder_that_is_there_are_refused(type_: Terminal, tmp_path: Path) -> None:
    assert "connector_name_unfit" in type_("connector", "new", "Acme Shop", code=cli.REFUSED).err
    (tmp_path / "acme").mkdir()
    there = type_("connector", "new", "acme", "--folder", tmp_path, code=cli.REFUSED)
    assert "connector_folder_there" in there.err
    assert list((tmp_path / "acme").iterdir()) == []


@pytest.mark.parametrize("name", ["json", "onhand", "class", "rest"])
def test_a_name_that_means_something_already_is_refused(type_: Terminal, tmp_path: Path, name: str) -> None:
    """A folder `json` on the path took the place of the standard library's; `rest` was never found behind the real."""
    told = type_("connector", "new", name, "--folder", tmp_path, code=cli.REFUSED)
    assert "connector_name_unfit" in told.err
    assert not (tmp_path / name).exists()


def test_a_check_that_there_is_not_is_no_success(type_: Terminal) -> None:
    told = type_("connector", "check", "rest", "--only", "K99", "--only", "K01", code=cli.REFUSED)
    assert "There is no check K99." in told.err
    assert "K01 to K42" in told.err


def test_a_connector_that_is_not_there_is_told_with_those_that_are(type_: Terminal) -> None:
    assert "rest" in type_("connector", "check", "no_such", code=cli.REFUSED).err


def test_the_list_shows_tiers_and_what_each_can_do(type_: Terminal) -> None:
    (rest,) = [each for each in type_("connector", "list", "--json").json if each["name"] == "rest"]
    assert set(rest["streams"]) >= {"orders", "stock"}
    assert rest["earned"] is not None
    assert "stock.publish" in type_("connector", "list").out


def test_an_endpoint_is_asked_by_its_own_connector_only(type_: Terminal, dsn: str) -> None:
    asked = type_("connector", "check", "rest", "--endpoint", "nowhere", "--dsn", dsn, code=cli.REFUSED)
    assert "no endpoint 'nowhere'" in asked.err


def test_an_endpoint_whose_secret_is_not_there_is_unauthorised_and_not_unreachable(
    type_: Terminal, dsn: str, tmp_path: Path
) -> None:
    (tmp_path / "net.yaml").write_text(_ONE_ENDPOINT)
    type_("apply", tmp_path, "--yes", "--dsn", dsn)
    asked = type_("connector", "check", "rest", "--endpoint", "shop", "--dsn", dsn, "--json", code=cli.NO).json
    assert asked["check"]["state"] == "unauthorised"
    assert "env:ONHAND_NOT_SET_ANYWHERE" in asked["check"]["detail"]


_ONE_ENDPOINT = """
systems:
  shop: {kind: storefront}
locations:
  EAST: {kind: warehouse}
endpoints:
  shop:
    system: shop
    sender: rest
    base_url: https://shop.example/api
    secret: env:ONHAND_NOT_SET_ANYWHERE
    settings: {check: {path: /me}}
"""
