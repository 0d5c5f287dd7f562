"""The page that describes the API, made from the OpenAPI document: readable without a network and without a script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from onhand.contracts import strict_json
from onhand.http.html import inline, page, paragraphs, text

Json = Mapping[str, Any]

_LINKS = (
    '<p class=lead>As data: <a href="/openapi.json">OpenAPI 3.1</a> · <a href="/asyncapi.json">AsyncAPI 3</a> · '
    '<a href="/docs/errors">all errors</a></p>'
)


def render(document: Json) -> bytes:
    """The page for an OpenAPI document of ours."""
    by_tag: dict[str, list[tuple[str, str, Json]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            by_tag.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    info = document["info"]
    body = [
        f"<h1>{text(info['title'])} API <small class=kind>{text(info['version'])}</small></h1>",
        paragraphs(info["description"]),
        _LINKS,
    ]
    for tag in document["tags"]:
        body.append(f'<h2 id="{text(tag["name"])}">{text(tag["name"])}</h2>{paragraphs(tag["description"])}')
        body += [_operation(*each) for each in by_tag.get(tag["name"], ())]
    body.append('<h2 id="types">Types</h2><p>The members of what is sent and answered, by name.</p>')
    body += [_type(name, schema) for name, schema in document["components"]["schemas"].items()]
    return page(title=f"{info['title']} API", navigation=_navigation(document, by_tag), body="".join(body))


def _navigation(document: Json, by_tag: Mapping[str, list[tuple[str, str, Json]]]) -> str:
    parts = ["<b>Onhand API</b>"]
    for tag in document["tags"]:
        links = "".join(
            f'<li><a href="#{text(operation["operationId"])}">{text(operation["summary"])}</a></li>'
            for _, _, operation in by_tag.get(tag["name"], ())
        )
        parts.append(f"<h2>{text(tag['name'])}</h2><ul>{links}</ul>")
    parts.append('<h2>More</h2><ul><li><a href="#types">Types</a></li><li><a href="/docs/errors">Errors</a></li></ul>')
    return "".join(parts)


def _operation(method: str, path: str, operation: Json) -> str:
    parts = [
        f'<article id="{text(operation["operationId"])}"><h3>{text(operation["summary"])}</h3>',
        f'<p class=route><span class="method {method.lower()}">{method}</span>{text(path)}</p>',
        paragraphs(operation["description"]),
        _parameters(operation["parameters"]),
    ]
    if "requestBody" in operation:
        parts.append(_request_body(operation["requestBody"]))
    parts.append("<h4>Answers</h4><dl>")
    parts += [_response(status, response) for status, response in operation["responses"].items()]
    return "".join([*parts, "</dl></article>"])


def _parameters(parameters: list[Json]) -> str:
    if not parameters:
        return ""
    rows = [
        f"<dt><code>{text(each['name'])}</code>{_need(each['required'])}"
        f"<br><span class=kind>{text(each['in'])}</span></dt>"
        f"<dd>{inline(each['description'])} <span class=kind>{_kind(each['schema'])}</span></dd>"
        for each in parameters
    ]
    return f"<h4>Parameters</h4><dl>{''.join(rows)}</dl>"


def _request_body(body: Json) -> str:
    media_types = " · ".join(f"<code>{text(each)}</code>" for each in body["content"])
    first = next(iter(body["content"].values()))
    return f"<h4>Body</h4><p>{_kind(first['schema'])} as {media_types}</p>{_example(first.get('example'))}"


def _response(status: str, response: Json) -> str:
    bad = " bad" if int(status) >= 400 else ""
    content: Json = next(iter(response.get("content", {}).values()), {})
    codes = " ".join(
        f'<a href="/docs/errors#{text(code)}"><code>{text(code)}</code></a>' for code in content.get("examples", ())
    )
    kind = f" <span class=kind>{_kind(content['schema'])}</span>" if content and not codes else ""
    example = _example(content.get("example"), folded=True)
    return (
        f'<dt class="status{bad}">{text(status)}</dt><dd>{codes or inline(response["description"])}{kind}{example}</dd>'
    )


def _type(name: str, schema: Json) -> str:
    required = set(schema.get("required", ()))
    rows = [
        f"<dt><code>{text(member)}</code>{_need(member in required)}</dt>"
        f"<dd>{inline(about.get('description', ''))} <span class=kind>{_kind(about)}</span></dd>"
        for member, about in schema.get("properties", {}).items()
    ]
    return (
        f'<article id="type-{text(name)}"><h3>{text(name)}</h3>{paragraphs(schema.get("description", ""))}'
        f"<dl>{''.join(rows)}</dl></article>"
    )


def _kind(schema: Json) -> str:
    """A schema in a few words, as HTML."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#type-{text(name)}">{text(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(f"<code>{text(each)}</code>" for each in schema["enum"])
    if schema.get("type") == "array":
        items = schema.get("items") or {}
        return f"list of {_kind(items) if items else 'anything'}{_bounds(schema)}"
    return f"{text(schema.get('format') or schema.get('type') or 'anything')}{_bounds(schema)}"


def _bounds(schema: Json) -> str:
    found = list(_bounds_in(schema))
    return f" ({', '.join(found)})" if found else ""


def _bounds_in(schema: Json) -> Iterator[str]:
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
    ):
        if low in schema and high in schema:
            yield f"{schema[low]} to {schema[high]}{unit}"
        elif high in schema:
            yield f"up to {schema[high]}{unit}"
        elif low in schema:
            yield f"from {schema[low]}{unit}"
    if schema.get("default") is not None and not isinstance(schema["default"], (dict, list)):
        yield f"default {text(schema['default'])}"


def _need(required: bool) -> str:
    return " <span class=need>required</span>" if required else ""


def _example(value: Any, *, folded: bool = False) -> str:
    if value is None:
        return ""
    shown = text(_indent(value))
    block = f'<pre tabindex="0"><code>{shown}</code></pre>'
    return f"<details><summary>Example</summary>{block}</details>" if folded else block


def _indent(value: Any) -> str:
    return msgspec.json.format(strict_json.dumps(value), indent=2).decode()
