"""Writes the OpenAPI 3.1 document from the table of operations, so that it says what the pipeline does.

Bodies, queries and answers are msgspec types, which give their own JSON Schemas (dialect 2020-12, that of OpenAPI 3.1).
The errors of an operation are those it names itself and those that its entry implies: a scope implies 401, 403 and 429,
a body 413, and so on. Every example in the document is checked against its schema by a test.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from onhand.app.paging import InvalidCursor
from onhand.contracts import strict_json
from onhand.domain import errors
from onhand.domain.errors import OnhandError
from onhand.http import areas, problems
from onhand.http import errors as http_errors
from onhand.http.fields import Paging
from onhand.http.openapi_problems import SPECIAL, example_of
from onhand.http.operation import Answer, NoQuery, Operation

API_VERSION: Final = "1.0.0"
_REF: Final = "#/components/schemas/{name}"

ABOUT: Final = """\
The API of Onhand, the open hub for stock.

Every answer that is not a success is a problem document (RFC 9457) with a stable `code`, what Onhand `done`, and a
`remedy`; [all codes](/docs/errors) are explained. Quantities are whole numbers of an item's base unit. Times carry a
zone. Unknown members and parameters are refused, because a filter that is silently ignored answers with everything.

Repeating is always safe: a reservation is known by its `request_id`, an event by `source` and `id`, any other verb by
the header `Idempotency-Key`. Lists are read page by page: `next` of one page is `after` of the following one, and the
header `Link` leads there too."""

TAGS: Final = {
    "Promises": "Reservations: stock that is promised to an order until a deadline.",
    "Facts": "Events: what happened to stock, sent once or more often, counted once.",
    "Stock": "What there is, where it is, what a channel can sell, and how it came about.",
    "Catalogue": "Items, locations, channels.",
    "Quarantine": "Facts that break a rule of the business and wait for a person.",
    "Keys": "API keys and what they may do.",
    "Network": "The configuration in force.",
    "System": "Health, metrics, and this description.",
}

HEADERS: Final = {
    "X-Request-Id": "The id of this request: the caller's own if it was sane, else one of Onhand's.",
    "RateLimit": 'What is left of the client\'s share on this node: `"client";r=<requests>;t=<seconds until full>`.',
    "RateLimit-Policy": 'The client\'s share: `"client";q=<requests>;w=<seconds>`.',
    "Retry-After": "Seconds after which to try again.",
    "WWW-Authenticate": "How to authenticate.",
    "Link": 'The next page, as `<?after=...>; rel="next"`; absent on the last one.',
    "Idempotency-Replayed": "`true` when this is the answer to an earlier, equal request.",
}
_OF_ALL = ("X-Request-Id",)


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document, as plain data."""
    operations = areas.operations()
    schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Onhand",
            "version": API_VERSION,
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "servers": [{"url": "/", "description": "This node."}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "headers": {name: _header(text) for name, text in HEADERS.items()},
            "examples": {
                error.code: {"summary": error.title, "value": example_of(error)} for error in _all_errors(operations)
            },
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An API key: `Authorization: Bearer ohk_...`. `onhand keys create` makes one.",
                }
            },
        },
    }


def encoded() -> bytes:
    """The document as JSON, indented, the same bytes every time."""
    return msgspec.json.format(strict_json.dumps(document()), indent=2)


def errors_of(operation: Operation) -> list[type[OnhandError]]:
    """All errors that an operation can answer with, its own first, each code once."""
    found: list[type[OnhandError]] = list(operation.errors)
    if operation.scope is not None:
        found += [errors.Unauthorised, errors.Forbidden, http_errors.RateLimited]
    if operation.rated_by is not None:
        found.append(http_errors.RateLimited)
    if operation.query is not NoQuery or operation.takes_path:
        found.append(http_errors.InvalidParameter)
    if operation.body is not None:
        found += [http_errors.PayloadTooLarge, http_errors.RequestTimeout, strict_json.MalformedJson,
                  strict_json.DuplicateKey, strict_json.NumberOutOfRange, http_errors.MediaTypeNotRead]  # fmt: skip
        found.append(errors.InvalidInput)
    if issubclass(operation.query, Paging):
        found.append(InvalidCursor)
    if operation.keyed:
        found.append(http_errors.InvalidIdempotencyKey)
    if operation.lane in {"analytics", "feeds", "reads"}:
        found.append(http_errors.Overloaded)
    if operation.scope is not None:
        found.append(errors.InvalidInput)
    # Any request can be refused before it reaches its operation.
    found += [http_errors.MalformedRequest, http_errors.UriTooLong, http_errors.HeadersTooLarge]
    found += [errors.Unavailable, http_errors.InternalError]
    return list({error.code: error for error in found}.values())


def _all_errors(operations: Iterable[Operation]) -> list[type[OnhandError]]:
    found = {error.code: error for each in operations for error in errors_of(each)}
    return [found[code] for code in sorted(found)]


def _operation(each: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": each.id,
        "tags": [each.tag],
        "summary": each.summary,
        "description": _description(each),
        "parameters": [*_path_parameters(each), *_query_parameters(each), *_header_parameters(each)],
        "responses": _responses(each),
        "security": [{"key": []}] if each.scope else [],
    }
    if each.body is not None:
        described["requestBody"] = {
            "required": each.body_required,
            "content": {media_type: _body(each, media_type) for media_type in each.body_media_types},
        }
    if each.scope:
        described["x-onhand-scope"] = each.scope
    return described


def _description(each: Operation) -> str:
    needs = f"Needs the scope `{each.scope}`." if each.scope else "Needs no key."
    return "\n\n".join(part for part in (each.description or f"{each.summary}.", needs) if part)


def _path_parameters(each: Operation) -> list[dict[str, Any]]:
    meaning = {
        "sku": "The SKU, percent-encoded.",
        "id": "The id.",
        "number": "The number of the version.",
        "feed": "The feed's code.",
    }
    whole = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}
    named = {"type": "string", "minLength": 1, "maxLength": 200}
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": meaning[name],
            "schema": whole if isinstance(example, int) else named,
            "example": example,
        }
        for name, example in each.path_example.items()
    ]


def _query_parameters(each: Operation) -> list[dict[str, Any]]:
    _, components = msgspec.json.schema_components((each.query,), ref_template=_REF)
    form = components.get(each.query.__name__, {})
    required = set(form.get("required", ()))
    parameters = []
    for name, schema in form.get("properties", {}).items():
        plain = _without_null(_portable(schema))
        entry: dict[str, Any] = {"name": name, "in": "query", "required": name in required}
        entry["description"] = plain.pop("description", "") or f"Only rows with this {name}."
        entry["schema"] = plain
        if name in each.query_example:
            entry["example"] = each.query_example[name]
        parameters.append(entry)
    return parameters


def _header_parameters(each: Operation) -> list[dict[str, Any]]:
    if not each.keyed:
        return []
    return [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Makes the call safe to repeat: a quoted string or a bare key of printable ASCII.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!#-Z^-~]+$"},
            "example": "8e03978e-40d5-43dd-bc93-6894a57f9324",
        }
    ]


def _body(each: Operation, media_type: str) -> dict[str, Any]:
    if each.body is not bytes:
        return {"schema": _ref(each.body), "example": each.body_example}
    if each.rated_by is not None:  # whatever the partner sends
        return {"schema": {}, "example": each.body_example}
    one = {"$ref": _REF.format(name="EventForm")}
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": 10_000}
    if media_type == "application/cloudevents-batch+json":
        return {"schema": many, "example": [each.body_example]}
    return {"schema": one if "cloudevents" in media_type else {"anyOf": [one, many]}, "example": each.body_example}


def _responses(each: Operation) -> dict[str, Any]:
    responses = {str(status): _success(each, answer) for status, answer in each.answers.items()}
    grouped: dict[int, list[type[OnhandError]]] = {}
    for error in errors_of(each):
        grouped.setdefault(problems.status_of(error), []).append(error)
    for status in sorted(grouped):
        responses[str(status)] = _failure(status, grouped[status])
    return responses


def _success(each: Operation, given: Answer) -> dict[str, Any]:
    names = [*_OF_ALL, *(["RateLimit", "RateLimit-Policy"] if each.scope or each.rated_by else []), *given.headers]
    if given.example and isinstance(given.example, dict) and "next" in given.example and each.method == "GET":
        names.append("Link")
    content: dict[str, Any] = {"schema": _ref(given.type)} if given.type is not None else {"schema": {"type": "string"}}
    if given.example is not None:
        content["example"] = given.example
    return {
        "description": given.meaning,
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {given.media_type: content},
    }


def _failure(status: int, kinds: list[type[OnhandError]]) -> dict[str, Any]:
    names = [*_OF_ALL]
    names += {401: ["WWW-Authenticate"], 429: ["Retry-After"], 503: ["Retry-After"]}.get(status, [])
    types = list(dict.fromkeys(SPECIAL.get(error, problems.Problem) for error in kinds))
    references = [_ref(each) for each in types]
    return {
        "description": " · ".join(dict.fromkeys(error.title for error in kinds)),
        "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names},
        "content": {
            "application/problem+json": {
                "schema": references[0] if len(references) == 1 else {"anyOf": references},
                "examples": {error.code: {"$ref": f"#/components/examples/{error.code}"} for error in kinds},
            }
        },
    }


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    from onhand.http.events import EventForm  # noqa: PLC0415  (the one body that is read as bytes)

    types: list[Any] = [problems.Problem, EventForm, *SPECIAL.values()]
    for each in operations:
        if each.body is not None and each.body is not bytes:
            types.append(each.body)
        types += [answer.type for answer in each.answers.values() if isinstance(answer.type, type)]
    _, components = msgspec.json.schema_components(tuple(dict.fromkeys(types)), ref_template=_REF)
    return {name: _portable(schema) for name, schema in components.items()}


def _ref(kind: Any) -> dict[str, Any]:
    return {"type": "object"} if kind is dict else {"$ref": _REF.format(name=kind.__name__)}


def _header(text: str) -> dict[str, Any]:
    return {"description": text, "schema": {"type": "string"}}


def _portable(schema: Any) -> Any:
    """Regular expressions in the dialect that JSON Schema asks for (ECMA-262).

    There `$` is the very end, and surrogates need no mention: JSON in UTF-8 cannot hold them.
    """
    if isinstance(schema, Mapping):
        return {
            name: value.replace("\\Z", "$").replace("\\ud800-\\udfff", "")
            if name == "pattern" and isinstance(value, str)
            else _portable(value)
            for name, value in schema.items()
        }
    return [_portable(each) for each in schema] if isinstance(schema, list) else schema


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """An optional parameter is left out, not null."""
    choices = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    rest = {name: value for name, value in schema.items() if name not in {"anyOf", "default"} or value is not None}
    if "anyOf" in rest and len(choices) == 1:
        del rest["anyOf"]
        rest = {**choices[0], **rest}
    if isinstance(rest.get("enum"), list) and None in rest["enum"]:
        rest["enum"] = [each for each in rest["enum"] if each is not None]
    return rest
