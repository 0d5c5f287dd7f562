"""The Admin API of the stand-in: who may ask what, and how it is answered.

Nearly everything is answered with 200. A question that a server of this dialect does not understand gets 400; what is
refused stands in `errors` by a code, or is an error result of the answer's union.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from onhand.connectors.vendure import fake_graphql as graphql
from onhand.connectors.vendure.fake_answers import listed, order_of, variant_of
from onhand.connectors.vendure.fake_shop import Refused, Shop, error

ACCOUNT: Final = "onhand@example.com"
TOKEN: Final = "web-token"  # noqa: S105 - names a channel, and is no secret
RIGHTS: Final[tuple[str, ...]] = ("Authenticated", "ReadOrder", "UpdateOrder", "ReadCatalog", "UpdateCatalog")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An answer; `token` begins a session."""

    body: Any
    status: int = 200
    token: str | None = None


class Api:
    """One channel's Admin API, with one account."""

    def __init__(self, shop: Shop, *, password: Callable[[], str]) -> None:
        self.shop = shop
        self.rights = RIGHTS
        self.sessions: set[str] = set()
        self._password = password
        self._resolvers: dict[str, tuple[Callable[..., Any], str | None]] = {
            "activeChannel": (self._channel, None),
            "me": (lambda: {"id": "2", "identifier": ACCOUNT, "channels": [self._channel()]}, None),
            "globalSettings": (lambda: {"trackInventory": True, "outOfStockThreshold": shop.threshold}, None),
            "stockLocations": (self._locations, "ReadCatalog"),
            "productVariants": (self._variants, "ReadCatalog"),
            "updateProductVariants": (_of_input(self._update), "UpdateCatalog"),
            "orders": (self._orders, "ReadOrder"),
            "addFulfillmentToOrder": (_of_input(shop.fulfil), "UpdateOrder"),
            "transitionFulfillmentToState": (lambda **given: shop.move(given["id"], given["state"]), "UpdateOrder"),
            "cancelOrder": (_of_input(shop.cancel), "UpdateOrder"),
        }

    def answer(self, body: bytes, *, headers: Mapping[str, str]) -> Said:
        """Answer a request's body."""
        try:
            asked = json.loads(body)
            operation = graphql.parse(asked["query"])
            variables = asked.get("variables") or {}
        except (ValueError, KeyError, TypeError, AttributeError, graphql.NotUnderstood) as wrong:
            return _errors(str(wrong), "GRAPHQL_PARSE_FAILED", status=400)
        data: dict[str, Any] = {}
        token = None
        for field in operation.fields:
            try:
                given = field.given(variables)
                value = self._log_in(**given) if field.name == "login" else self._resolve(field.name, given, headers)
                token = value.get("token") if field.name == "login" else token
                data[field.alias] = graphql.project(value, field.inner, variables)
            except (PermissionError, LookupError, graphql.NotUnderstood, Refused) as wrong:
                return _refusal(wrong, path=field.alias)
        return Said(body={"data": data}, token=token)

    def _resolve(self, name: str, given: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        channel = headers.get("vendure-token", TOKEN)
        if channel != TOKEN:
            raise Refused("CHANNEL_NOT_FOUND", f'No Channel with the token "{channel}" could be found')
        if name not in self._resolvers:
            raise graphql.NotUnderstood(f'Cannot query field "{name}".')
        resolve, right = self._resolvers[name]
        known = headers.get("authorization", "").removeprefix("Bearer ") in self.sessions
        if not known or not (right is None or right in self.rights):
            raise PermissionError
        return resolve(**given)

    def _log_in(self, *, username: str, password: str, **_: Any) -> dict[str, Any]:
        if username != ACCOUNT or password != self._password():
            return error("InvalidCredentialsError", "The provided credentials are invalid")
        token = secrets.token_hex(32)
        self.sessions.add(token)
        return {"__typename": "CurrentUser", "id": "2", "identifier": username, "token": token}

    def _channel(self) -> dict[str, Any]:
        return {"id": "1", "code": "web", "token": TOKEN, "permissions": list(self.rights)}

    def _locations(self) -> dict[str, Any]:
        items = [{"id": location, "name": name} for location, name in self.shop.locations.items()]
        return {"items": items, "totalItems": len(items)}

    def _variants(self, options: Mapping[str, Any]) -> dict[str, Any]:
        skus = _asked(options, "sku", "in")
        goods = (
            self.shop.goods.values() if skus is None else [one for sku in skus for one in self.shop.by_sku.get(sku, [])]
        )
        return listed([variant_of(each) for each in goods], options)

    def _orders(self, options: Mapping[str, Any]) -> dict[str, Any]:
        code = _asked(options, "code", "eq")
        sales = self.shop.sales.values() if code is None else [self.shop.sales[code]] if code in self.shop.sales else []
        return listed([order_of(sale) for sale in sales], options)

    def _update(self, inputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Set the levels of all variants, or of none."""
        missing = [given["id"] for given in inputs if given["id"] not in self.shop.goods]
        if missing:
            raise LookupError(f'No ProductVariant with the id "{missing[0]}" could be found')
        for given in inputs:
            for level in given["stockLevels"]:
                here = self.shop.goods[given["id"]].levels[level["stockLocationId"]]
                here.change(on_hand=level["stockOnHand"] - here.on_hand)
        return [variant_of(self.shop.goods[given["id"]]) for given in inputs]


def _asked(options: Mapping[str, Any], name: str, test: str) -> Any:
    """Return what a list is filtered by, to look only where it can be: with a thousand orders it matters."""
    return (options.get("filter") or {}).get(name, {}).get(test)


def _of_input(act: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return a resolver that takes the argument `input`."""
    return lambda **given: act(given["input"])


def _refusal(wrong: Exception, *, path: str) -> Said:
    if isinstance(wrong, graphql.NotUnderstood):
        return _errors(str(wrong), "GRAPHQL_VALIDATION_FAILED", status=400)
    if isinstance(wrong, PermissionError):
        return _errors("You are not currently authorized to perform this action", "FORBIDDEN", path=path)
    if isinstance(wrong, Refused):
        return _errors(str(wrong), wrong.code, path=path)
    return _errors(str(wrong.args[0]), "ENTITY_NOT_FOUND", path=path)


def _errors(message: str, code: str, *, path: str | None = None, status: int = 200) -> Said:
    error = {"message": message, "extensions": {"code": code}, **({"path": [path]} if path else {})}
    return Said(body={"errors": [error], "data": None}, status=status)
