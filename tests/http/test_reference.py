"""The description of the API: complete, valid, current, and served without a network."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from onhand.http import areas, error_catalogue, openapi, pages, problems, reference
from onhand.http.operation import Operation
from onhand.http.settings import HttpSettings, from_environ
from onhand.ops.settings import BadSetting
from tests.http.conftest import Caller

DOCS = Path(__file__).parents[2] / "docs" / "reference"
OPERATIONS = areas.operations()
DOCUMENT = openapi.document()


def test_the_pages_in_the_repository_are_those_that_the_code_writes() -> None:
    for name, content in reference.files().items():
        assert (DOCS / name).read_text(encoding="utf-8") == content, (
            f"docs/reference/{name} is out of date: run python -m onhand.http.reference docs/reference"
        )


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: each.id)
def test_every_operation_is_described_completely(operation: Operation) -> None:
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    assert described["summary"]
    assert len(described["description"]) > len("Needs no key.")
    in_path = {each["name"] for each in described["parameters"] if each["in"] == "path"}
    assert in_path == set(re.findall(r"\{(\w+)\}", operation.path))
    assert all(each["description"] and "schema" in each for each in described["parameters"])
    if operation.body is not None:
        assert all(each["example"] is not None for each in described["requestBody"]["content"].values())
    assert {"400", "414", "431", "500", "503"} <= described["responses"].keys(), "what can happen to any request"
    for status, response in described["responses"].items():
        assert response["description"], status
        for content in response["content"].values():
            assert "schema" in content
    expected = {"401", "403", "429"} if operation.scope else set()
    assert expected <= described["responses"].keys()


def test_operation_ids_are_unique() -> None:
    ids = [each.id for each in OPERATIONS]
    assert len(ids) == len(set(ids))


def validator(schema: dict[str, Any]) -> Any:
    whole = {**schema, "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def examples() -> list[Any]:
    found = []
    for path, methods in DOCUMENT["paths"].items():
        for method, described in methods.items():
            where = f"{method} {path}"
            found += [
                pytest.param(each["schema"], each["example"], id=f"{where} {each['name']}")
                for each in described["parameters"]
                if "example" in each
            ]
            for media_type, content in described.get("requestBody", {"content": {}})["content"].items():
                found.append(pytest.param(content["schema"], content["example"], id=f"{where} {media_type}"))
            for status, response in described["responses"].items():
                for content in response["content"].values():
                    if "example" in content:
                        found.append(pytest.param(content["schema"], content["example"], id=f"{where} {status}"))
                    for code in content.get("examples", ()):
                        value = DOCUMENT["components"]["examples"][code]["value"]
                        found.append(pytest.param(content["schema"], value, id=f"{where} {status} {code}"))
    return found


@pytest.mark.parametrize(("schema", "value"), examples())
def test_every_example_keeps_its_schema(schema: dict[str, Any], value: Any) -> None:
    errors = [error.message for error in validator(schema).iter_errors(value)]
    assert errors == []


def test_a_value_that_breaks_its_schema_would_be_noticed() -> None:
    schema = {"$ref": "#/components/schemas/ReservationForm"}
    assert not validator(schema).is_valid({"channel": "web", "lines": []})
    assert not validator(schema).is_valid({"channel": "web", "lines": [{"sku": "a\nb", "quantity": 1}]})


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = openapi.encoded().decode()
    for target in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        node: Any = DOCUMENT
        for step in target.split("/"):
            node = node[step]


def test_every_error_code_is_documented_with_its_remedy_and_status() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    for code, error in error_catalogue.catalogue(error_catalogue.ALL_LAYERS).items():
        assert f"\n## {code}\n" in page
        assert re.fullmatch(r"[a-z][a-z0-9_]*", code)
        assert error.__doc__, code
        assert 400 <= problems.status_of(error) <= 599
    for code in error_catalogue.catalogue():
        assert f'id="{code}"' in pages.errors_page().decode()


def test_every_code_means_one_thing() -> None:
    by_code: dict[str, set[str]] = {}
    for error in error_catalogue.every(error_catalogue.ALL_LAYERS):
        by_code.setdefault(error.code, set()).add(error.title)
    assert {code: titles for code, titles in by_code.items() if len(titles) > 1} == {}


async def test_the_documents_are_served(call: Caller) -> None:
    assert (await call.get("/openapi.json", key=None)).json == msgspec.json.decode(openapi.encoded())
    assert (await call.get("/asyncapi.json", key=None)).json["asyncapi"].startswith("3.")
    for path in ("/docs", "/docs/errors"):
        page = await call.get(path, key=None)
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "default-src 'none'" in page.headers["Content-Security-Policy"]


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"]] if given.get("id") else []  # type: ignore[list-item]
        self.links += [given["href"]] if given.get("href") else []  # type: ignore[list-item]
        if tag not in {"meta", "br", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("content", [pages.api_page(), pages.errors_page()], ids=["api", "errors"])
def test_the_pages_are_whole_need_no_network_and_no_script(content: bytes) -> None:
    page = _Page()
    page.feed(content.decode())
    assert page.open == []
    assert not page.tags & {"script", "link", "img", "iframe"}
    assert len(page.ids) == len(set(page.ids))
    assert {link for link in page.links if "//" in link} == set()
    served = {each.path for each in OPERATIONS}
    here = set(page.ids)
    for link in page.links:
        path, _, anchor = link.partition("#")
        assert path in served | {""}
        if not path:
            assert anchor in here, link


def test_every_setting_is_documented_and_read_from_the_environment() -> None:
    page = (DOCS / "api.md").read_text(encoding="utf-8")
    for name in HttpSettings.__struct_fields__:
        assert f"`ONHAND_HTTP_{name.upper()}`" in page
    given = from_environ({"ONHAND_HTTP_PORT": "9000", "ONHAND_HTTP_METRICS_OPEN": "0", "HOME": "/"})
    assert (given.port, given.metrics_open, given.host) == (9000, False, "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "value"), [("ONHAND_HTTP_PORT", "70000"), ("ONHAND_HTTP_PORT", "http"), ("ONHAND_HTTP_PROT", "80")]
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(BadSetting) as caught:
        from_environ({name: value})
    assert caught.value.facts["variable"] == name
