"""What YAML would like to do behind one's back: guess types, repeat keys, expand aliases, build objects."""

from __future__ import annotations

import pytest

from onhand.app.network_files import NetworkInvalid, read_network
from onhand.app.network_files.read import CHARACTERS_MAX
from onhand.app.network_files.yaml_tree import FILE_CHARACTERS_MAX
from tests.network.reading import mistake, mistakes, read


def test_norway_is_a_country_and_not_false() -> None:
    network = read("locations:\n  OSLO: {kind: store, country: NO}\n")
    assert network.locations["OSLO"].country == "NO"


@pytest.mark.parametrize(
    "sku", ["007", "1_000", "12:30", "0x1F", "1e3", "2024-01-01", "on", "true", "0o17", ".5", "=", "1.10"]
)
def test_a_sku_is_the_text_that_stands_there(sku: str) -> None:
    network = read(f"ring_fences:\n- {{group: web, sku: {sku}, location: EAST, quantity: 1}}\n")
    assert network.ring_fences[0].sku == sku


def test_codes_that_look_like_numbers_stay_what_they_are() -> None:
    network = read("locations:\n  010: {kind: store}\n  8: {kind: store}\n  no: {kind: store}\n")
    assert {"010", "8", "no"} <= network.locations.keys()


@pytest.mark.parametrize(
    "number", ["010", "0x10", "0o10", "1_0", "1:30", "1e3", "10.0", "+5", "!!int 5", "٣", "9" * 30, "--5", "1 0", "0b1"]
)
def test_a_quantity_is_plain_digits_or_refused(number: str) -> None:
    told = mistakes(f"locations:\n  N:\n    kind: store\n    cost: {number}\n")
    assert {(m.at.line, m.at.column) for m in told} == {(4, 11)}


@pytest.mark.parametrize("nothing", ["", "~", "null"])
def test_nothing_means_none_where_none_is_allowed(nothing: str) -> None:
    network = read(f"locations:\n  N:\n    kind: store\n    cost: {nothing}\n")
    assert network.locations["N"].cost is None


def test_a_quoted_null_is_text() -> None:
    assert read('locations:\n  N: {kind: store, region: "null"}\n').locations["N"].region == "null"


def test_a_key_that_is_repeated_is_refused_and_not_silently_overwritten() -> None:
    told = mistake("locations:\n  N: {kind: store}\n  N: {kind: warehouse}\n")
    assert str(told.at) == "b.yaml:3:3"
    assert "line 2" in told.expected
    assert str(mistake("locations: {}\npolicies: {}\nlocations: {}\n").at) == "b.yaml:3:1"
    assert str(mistake("locations:\n  N:\n    kind: store\n    kind: store\n").at) == "b.yaml:4:5"


def test_repetition_is_told_in_sections_of_any_depth() -> None:
    text = "channels:\n  c:\n    kind: desk\n    sells_from: [EAST]\n    safety_stock:\n      by_sku: {A: 1, A: 2}\n"
    assert str(mistake(text).at) == "b.yaml:6:22"


def test_an_alias_is_refused_so_that_each_line_says_what_holds_there() -> None:
    told = mistakes("locations:\n  N: &place {kind: store}\n  M: *place\n")
    assert [(m.at.line, m.at.column) for m in told] == [(2, 6), (3, 6)]
    assert "anchor" in told[0].found
    assert "alias" in told[1].found


def test_a_bomb_of_aliases_is_refused_before_it_can_grow() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert any("alias" in told.found for told in mistakes("\n".join(lines)))


def test_a_merge_key_is_refused() -> None:
    told = mistake("locations:\n  N:\n    kind: store\n    <<: {region: eu}\n")
    assert "merge key" in told.found


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!str", "!!binary", "!include", "!"])
def test_a_tag_is_refused_and_nothing_is_built(tag: str) -> None:
    told = mistakes(f"locations:\n  N: {{kind: store, region: {tag} eu}}\n")
    assert any("a tag" in m.found for m in told)


@pytest.mark.parametrize("opening", ["[", "{", "- ", "? ", "[{a: "])
def test_nesting_without_end_is_refused(opening: str) -> None:
    told = mistakes(f"locations: {opening * 20_000}" if opening.strip() != "-" else opening * 20_000)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("locations:\n\tN: {}\n", "b.yaml:2:1"),
        ("locations: {N: {kind: store}\n", "b.yaml:2:1"),
        ("locations: [\n", "b.yaml:2:1"),
        ("a: b: c\n", "b.yaml:1:5"),
        ("locations: {}\n---\nlocations: {}\n", "b.yaml:2:1"),
        ('a: "\\q"\n', "b.yaml:1:5"),
        ("? [a, b]\n: 1\n", "b.yaml:1:3"),
        ("locations:\n  N: \x00\n", "b.yaml:2:6"),
        ("locations: # \x1b\n", "b.yaml:1:14"),
        ("locations: \ud800\n", "b.yaml:1:12"),
        ("%YAML 3.0\n---\na: 1\n", "b.yaml:1:1"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_place(text: str, at: str) -> None:
    assert str(mistakes(text)[0].at) == at


def test_one_broken_file_does_not_hide_the_mistakes_of_another() -> None:
    with pytest.raises(NetworkInvalid) as caught:
        read_network({"a.yaml": "locations: [\n", "b.yaml": "chanels: {}\n"})
    assert {told.at.file for told in caught.value.mistakes} == {"a.yaml", "b.yaml"}


def test_columns_are_counted_in_characters_also_after_emoji() -> None:
    assert str(mistake('locations:\n  N: {name: "🫖🫖", kind: shop}\n').at) == "b.yaml:2:25"


def test_a_byte_order_mark_and_windows_line_ends_change_nothing() -> None:
    assert read("\ufefflocations:\r\n  N:\r\n    kind: store\r\n").locations["N"].kind == "store"


def test_files_without_bound_are_refused_unread() -> None:
    assert "characters" in mistake("#" * (FILE_CHARACTERS_MAX + 1)).found
    with pytest.raises(NetworkInvalid, match=f"at most {CHARACTERS_MAX}"):
        read_network({f"{number}.yaml": "#" * FILE_CHARACTERS_MAX for number in range(6)})
