"""Feeds and the settings of endpoints in network files: what they refer to is there, and fits."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import yaml
from msgspec import inspect as types

from onhand.app.network_files import Mistake, NetworkInvalid, read_network
from onhand.app.network_reference import reference_page
from onhand.domain import feed as model
from onhand.domain.endpoint import Endpoint
from onhand.domain.feed import Feed
from onhand.domain.network import Channel, Network
from onhand.domain.network_diff import changed, differences, successor
from onhand.sdk.registry import Package, Registry, at
from tests.network.reading import BASE

MANIFEST = """\
code = "shelf"
title = "Shelf"
kind = "wms"
owner = "us"
version = "1"
summary = "A shelf."
auth = {kind = "none"}
[streams.moves]
modes = ["poll", "webhook"]
mapping = "moves"
[streams.stock]
modes = ["poll"]
mapping = "stock"
snapshot = true
"""

SCHEMA = """{"type": "object", "additionalProperties": false, "required": ["site"], "properties":
{"site": {"type": "string"}, "areas": {"type": "array", "items": {"type": "integer"}}}}"""

ENDPOINT = "endpoints:\n  shelf: {system: wms, sender: shelf, settings: {site: north}}\n"

PARTS = [part for part in vars(model).values() if isinstance(part, type) and part.__module__ == model.__name__]


@pytest.fixture
def connectors(tmp_path: Path) -> Registry:
    """One connector `shelf` that works, and one `torn` whose files are not there."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "manifest.toml").write_text(MANIFEST)
    (folder / "config.schema.json").write_text(SCHEMA)
    torn = Package("torn", tmp_path / "torn", "torn")
    return Registry({"shelf": at(folder, module="shelf"), "torn": torn})


def read(text: str, connectors: Registry, *, endpoint: str = ENDPOINT) -> Network:
    files = {"a.yaml": BASE, "b.yaml": endpoint, "c.yaml": text}
    return read_network(files, connectors=connectors)


def mistake(text: str, connectors: Registry, *, endpoint: str = ENDPOINT) -> Mistake:
    with pytest.raises(NetworkInvalid) as caught:
        read(text, connectors, endpoint=endpoint)
    (found,) = caught.value.mistakes
    return found


def test_a_feed_is_read_whole(connectors: Registry) -> None:
    statement = "{means: available, subtracted: [allocated], lag_s: 60, location: EAST, status: hold}"
    network = read(
        f"feeds:\n  s: {{endpoint: shelf, stream: stock, source: wms, statement: {statement}}}\n", connectors
    )
    feed = network.feed("s")
    assert feed is not None
    assert (feed.mode, feed.every_s, feed.source) == ("poll", 60, "wms")
    assert feed.statement == model.Statement(
        means="available", subtracted=("allocated",), lag_s=60, location="EAST", status="hold"
    )


@pytest.mark.parametrize(
    ("fields", "where", "found", "expected"),
    [
        ("endpoint: shlf, stream: moves", "endpoint", "'shlf'", "an endpoint that is declared"),
        ("endpoint: shelf, stream: mvoes", "stream", "'mvoes'", "a stream of the connector 'shelf'"),
        ("endpoint: shelf, stream: moves, mode: file", "mode", "'file'", "a mode of the stream 'moves': poll, webhook"),
        ("endpoint: shelf, stream: moves, mapping: none", "mapping", "'none'", "a mapping that is declared"),
        ("endpoint: shelf, stream: moves, source: erp", "source", "'erp'", "the code of system 'wms'"),
        ("endpoint: shelf, stream: moves, source: urn:x", "source", "'urn:x'", "the code of system 'wms'"),
        ("endpoint: shelf, stream: stock, statement: {location: EST}", "statement.location", "'EST'", "warehouse"),
        ("endpoint: shelf, stream: stock, statement: {status: ok}", "statement.status", "'ok'", "a status"),
        ("endpoint: shelf, stream: stock, statement: {subtracted: [reserved]}", "statement.subtracted", "demand",
         "available and unshipped"),
        ("endpoint: shelf, stream: moves, statement: {means: full_with_zeroing}", "statement.means",
         "'full_with_zeroing'", "nothing would be zeroed"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(connectors: Registry, fields: str, where: str, found: str, expected: str) -> None:
    told = mistake(f"feeds:\n  s: {{{fields}}}\n", connectors)
    assert (told.where, told.found) == (f"feeds.s.{where}", found)
    assert expected in told.expected


def test_what_was_probably_meant_is_said(connectors: Registry) -> None:
    assert mistake("feeds:\n  s: {endpoint: shelf, stream: mvoes}\n", connectors).suggestion == "moves"
    sender = "endpoints:\n  shelf: {system: wms, sender: shlef}\n"
    told = mistake("feeds:\n  s: {endpoint: shelf, stream: moves}\n", connectors, endpoint=sender)
    assert (told.where, told.suggestion) == ("feeds.s.endpoint", "shelf")


@pytest.mark.parametrize(
    ("endpoint", "where", "found"),
    [
        ("{system: wms, sender: shelf}", "endpoints.shelf.settings", '"site" is a required property'),
        ("{system: wms, sender: shelf, settings: {site: 5}}", "endpoints.shelf.settings.site",
         '5 is not of type "string"'),
        ("{system: wms, sender: shelf, settings: {site: a, areas: [1, x]}}", "endpoints.shelf.settings.areas[1]",
         '"x" is not of type "integer"'),
        ("{system: wms, sender: other, settings: {site: a}}", "endpoints.shelf.sender", "'other'"),
        ("{system: wms, base_url: https://a, settings: {site: a}}", "endpoints.shelf.settings", "settings"),
        ("{system: wms, sender: torn}", "endpoints.shelf.sender", "'torn'"),
    ],
)  # fmt: skip
def test_settings_are_what_the_connector_asks_for(connectors: Registry, endpoint: str, where: str, found: str) -> None:
    told = mistake("", connectors, endpoint=f"endpoints:\n  shelf: {endpoint}\n")
    assert (told.where, told.found) == (where, found)


def test_a_retired_feed_asks_for_nothing(connectors: Registry) -> None:
    network = read("feeds:\n  s: {endpoint: gone, stream: gone, retired: true}\n", connectors)
    assert network.feeds["s"].retired


def test_a_feed_of_an_endpoint_with_a_mistake_adds_no_second_one(connectors: Registry) -> None:
    told = mistake(
        "feeds:\n  s: {endpoint: shelf, stream: moves}\n", connectors, endpoint="endpoints:\n  shelf: {sender: shelf}\n"
    )
    assert told.where == "endpoints.shelf"


def test_a_feed_that_is_no_longer_declared_is_retired_so_that_what_it_brought_keeps_its_name(
    connectors: Registry,
) -> None:
    after = successor(read("feeds:\n  s: {endpoint: shelf, stream: moves}\n", connectors), read("", connectors))
    assert after.feeds["s"].retired


@pytest.mark.parametrize(
    ("before", "after", "path"),
    [
        ("{a: {b: [1, {c: x}]}}", "{a: {b: [1, {c: y}]}}", ("a", "b")),
        ("{a: true}", "{a: 1}", ("a",)),
        ("{a: [true]}", "{a: [1]}", ("a",)),
        ("{a: {b: 1}}", "{a: [1]}", ("a",)),
        ("{a: {b: 1}}", "{a: {b: 1, c: ~}}", ("a", "c")),
    ],
)
def test_a_change_deep_inside_a_mapping_is_found_and_can_be_carried_out(
    before: str, after: str, path: tuple[str, ...]
) -> None:
    old, new = (Network(mappings={"m": yaml.safe_load(each)}) for each in (before, after))
    (change,) = differences(old, new)
    assert change.path == ("mappings", "m", *path)
    there = changed(old, [change])
    assert msgspec.json.encode(there) == msgspec.json.encode(new)
    assert differences(there, new) == ()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_is_explained_on_the_reference_page(part: type[msgspec.Struct]) -> None:
    found = types.type_info(part)
    assert isinstance(found, types.StructType)
    for field in found.fields:
        if field.encode_name != "code":
            assert isinstance(field.type, types.Metadata), field.encode_name
            assert (field.type.extra_json_schema or {}).get("description", "").endswith("."), field.encode_name
            assert f"| `{field.encode_name}` |" in reference_page()


def test_a_feed_brings_the_orders_of_the_channel_it_names_or_of_the_only_one_of_its_system() -> None:
    shop = Channel(code="web", kind="storefront", system="shop", sells_from=("EAST",))
    other = Channel(code="outlet", kind="storefront", system="shop", sells_from=("EAST",))
    endpoint = Endpoint(code="shop-api", system="shop", sender="vendure")
    feed = Feed(code="orders", endpoint="shop-api", stream="orders")
    named = Feed(code="outlet-orders", endpoint="shop-api", stream="orders", channel="outlet")

    def channel_of(one: Feed, *channels: Channel) -> str | None:
        network = Network(channels={each.code: each for each in channels}, endpoints={"shop-api": endpoint})
        return network.channel_of(one)

    assert channel_of(feed, shop) == "web"
    assert channel_of(feed, shop, other) is None, "two of one system: nobody can tell which"
    assert channel_of(named, shop, other) == "outlet"
    assert channel_of(feed) is None
