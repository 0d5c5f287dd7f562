"""The example network: valid, complete, and saying what its comments say."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from onhand.app.example import example_files, example_network_files
from onhand.app.network_files import load_folder, read_network, write_folder
from onhand.app.network_files.event_types import event_types
from onhand.domain.errors import Conflict, NotFound
from onhand.domain.network import Network


@pytest.fixture(scope="module")
def network() -> Network:
    return read_network(example_network_files())


def test_the_example_has_no_mistake_and_is_what_a_small_distributor_has(network: Network) -> None:
    kinds = sorted(place.kind for place in network.locations.values() if place.physical)
    assert kinds == ["store", "warehouse", "warehouse"]
    assert {channel.kind for channel in network.channels.values()} == {"storefront", "marketplace", "edi", "desk"}
    assert network.ring_fences
    assert len(network.systems) >= 6


def test_the_example_shows_every_section_and_every_kind_of_policy(network: Network) -> None:
    written = "\n".join(example_network_files().values())
    for section in Network.__struct_fields__:
        assert re.search(rf"^{section}:", written, re.MULTILINE), section
    for key in ("safety_stock", "max_listed", "max_splits", "ship_complete", "min_remaining_life_days", "sourcing"):
        assert f" {key}:" in written
    assert re.search(r"by_category:", written)
    assert re.search(r"by_sku:", written)


def test_every_event_type_of_the_example_has_somebody_who_may_state_it(network: Network) -> None:
    for event_type in event_types():
        stating = [code for code in network.systems if network.may_state(code, event_type)]
        assert bool(stating) != event_type.startswith("reservation."), event_type


def test_every_file_of_the_example_explains_itself() -> None:
    for name, text in example_network_files().items():
        assert text.startswith("# "), name


def test_the_available_status_stays_sellable_when_only_its_translations_are_written(network: Network) -> None:
    assert network.statuses["available"].sellable
    translated = network.status_from("wms-east", "01")
    assert translated is not None
    assert translated.code == "available"


def test_writing_the_example_and_reading_it_back_gives_the_same_bytes(tmp_path: Path, network: Network) -> None:
    write_folder(tmp_path / "network", example_files())
    loaded = load_folder(tmp_path / "network")
    assert loaded == example_network_files()
    assert read_network(loaded) == network
    assert (tmp_path / "network" / "README.md").exists()


def test_writing_over_files_that_are_there_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "channels.yaml").write_text("mine")
    with pytest.raises(Conflict, match=r"channels\.yaml"):
        write_folder(tmp_path, example_files())
    assert [path.name for path in tmp_path.iterdir()] == ["channels.yaml"]


def test_a_folder_is_read_with_its_subfolders_and_without_hidden_files(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a.yaml": "x", "sub/b.yml": "y", ".git/c.yaml": "z", "notes.txt": "n", ".d.yaml": "h"})
    assert load_folder(tmp_path) == {"a.yaml": "x", "sub/b.yml": "y"}


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_a_folder_without_files_is_refused_rather_than_read_as_retiring_everything(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match=name):
        load_folder(tmp_path / name)


def test_a_byte_that_is_not_utf8_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes("# é\nname: K\xf6ln\n".encode().replace("ö".encode(), b"\xf6"))
    with pytest.raises(Exception, match=r"a\.yaml:2:8: found the byte 0xF6"):
        load_folder(tmp_path)


def test_line_ends_and_byte_order_marks_survive_reading_as_they_are(tmp_path: Path) -> None:
    raw = "\ufefflocations:\r\n  N: {kind: store}\r\n"
    (tmp_path / "a.yaml").write_bytes(raw.encode())
    assert load_folder(tmp_path)["a.yaml"] == raw


def test_the_model_survives_the_way_through_json(network: Network) -> None:
    assert msgspec.json.decode(msgspec.json.encode(network), type=Network) == network
