"""The documentation of the network's files: complete, current, and its examples true."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from msgspec import inspect as types

from onhand.app.example import example_network_files
from onhand.app.network_files import NetworkInvalid, read_network
from onhand.app.network_reference import PAGE, reference_page
from onhand.domain import network as model
from onhand.domain.network import Network

DOCS = Path(__file__).parents[2] / "docs"
PARTS = [
    part
    for part in vars(model).values()
    if isinstance(part, type) and issubclass(part, msgspec.Struct) and part not in (msgspec.Struct, Network)
]


def test_the_committed_page_is_what_the_model_says() -> None:
    assert (DOCS / "reference" / PAGE).read_text() == reference_page(), (
        "run: python -m onhand.app.network_reference docs/reference"
    )


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_of_every_part_is_explained(part: type[msgspec.Struct]) -> None:
    found = types.type_info(part)
    assert isinstance(found, types.StructType)
    for field in found.fields:
        if field.encode_name != "code":
            assert isinstance(field.type, types.Metadata), field.encode_name
            assert (field.type.extra_json_schema or {}).get("description", "").endswith("."), field.encode_name
            assert f"| `{field.encode_name}` |" in reference_page()


@pytest.mark.parametrize("section", Network.__struct_fields__)
def test_every_section_has_its_heading(section: str) -> None:
    assert f"\n## {section}\n" in reference_page()


def test_the_guide_speaks_of_keys_and_verbs_that_exist() -> None:
    guide = (DOCS / "guides" / "network.md").read_text()
    for word in re.findall(r"`([a-z_]+)`", guide):
        known = word in reference_page() or f'"onhand {word}' in guide or word in {"apply", "plan"}
        assert known, word
    for target in re.findall(r"\]\(([^)#]+)\)", guide):
        assert (DOCS / "guides" / target).exists(), target


def test_the_mistake_that_the_guide_shows_is_what_one_really_sees() -> None:
    files = example_network_files()
    files["channels.yaml"] = files["channels.yaml"].replace("[warehouses]", "[warehuoses]", 1)
    with pytest.raises(NetworkInvalid) as caught:
        read_network(files)
    assert str(caught.value.mistakes[0]) in (DOCS / "guides" / "network.md").read_text()
