"""Settings: flags before variables before defaults, and no slip of the pen goes unseen."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onhand.ops import settings
from onhand.ops.settings import BadSetting, Settings


def test_nothing_set_means_an_embedded_database() -> None:
    assert settings.load({}) == Settings()
    assert settings.load({}).dsn is None


def test_a_flag_wins_over_its_variable() -> None:
    environment = {"ONHAND_DSN": "postgresql://variable/", "ONHAND_DATA_DIR": "/data"}
    found = settings.load(environment, dsn="postgresql://flag/", data_dir=None)
    assert found.dsn == "postgresql://flag/"
    assert found.data_dir == Path("/data")


@pytest.mark.parametrize(("text", "value"), [("1", True), ("yes", True), ("0", False), ("OFF", False)])
def test_a_switch_is_read_in_the_usual_spellings(text: str, value: bool) -> None:
    assert settings.load({"ONHAND_KEEP_DATABASE": text}).keep_database is value


@pytest.mark.parametrize(
    "environment",
    [
        {"ONHAND_KEEP_DATABASE": "perhaps"},
        {"ONHAND_POOL_MAX": "ten"},
        {"ONHAND_POOL_MAX": "0"},
        {"ONHAND_POOL_MAX": "-3"},
        {"ONHAND_POOL_MAX": "1e3"},
        {"ONHAND_POOL_MAX": "99999999999"},
    ],
)
def test_a_value_that_a_setting_cannot_take_names_its_variable(environment: dict[str, str]) -> None:
    (variable,) = environment
    with pytest.raises(BadSetting, match=variable):
        settings.load(environment)


def test_an_empty_variable_is_not_set() -> None:
    assert settings.load({"ONHAND_POOL_MAX": "", "ONHAND_DSN": ""}) == Settings()


def test_an_unknown_variable_is_warned_of_with_the_likely_one() -> None:
    (warning,) = settings.unknown({"ONHAND_DATADIR": "/data", "ONHAND_DSN": "x", "HOME": "/"})
    assert "ONHAND_DATADIR" in warning
    assert "did you mean ONHAND_DATA_DIR?" in warning


def test_the_settings_of_the_api_are_no_slips_of_the_pen() -> None:
    assert settings.unknown({"ONHAND_HTTP_PORT": "8480"}) == []


def test_every_setting_is_described_and_documented() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "postgresql.md").read_text()
    for one in settings.described():
        assert one.meaning
        assert f"`{one.variable}`" in guide, f"{one.variable} is missing in docs/guides/postgresql.md"


def test_the_data_directory_follows_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:
        assert settings.default_data_dir({"XDG_DATA_HOME": "/x"}) == Path("/var/lib/onhand")
    else:
        assert settings.default_data_dir({"XDG_DATA_HOME": "/x"}) == Path("/x/onhand")
