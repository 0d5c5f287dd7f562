"""Speaks GraphQL to a Vendure as its staff and its buyers do, for tests. Blocks: what is set up is set up."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any


class Caller:
    """Somebody who speaks to one of Vendure's APIs, with a session of their own."""

    def __init__(self, port: int, api: str, *, channel: str | None = None) -> None:
        self._port = port
        self._api = api
        self._headers = {"content-type": "application/json"}
        if channel is not None:
            self._headers["vendure-token"] = channel

    def ask(self, query: str, /, **variables: Any) -> Any:
        """Return the one field that is asked for; what is refused fails the test."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            body = json.dumps({"query": query, "variables": variables})
            connection.request("POST", f"/{self._api}", body, self._headers)
            response = connection.getresponse()
            said = json.loads(response.read())
        finally:
            connection.close()
        token = response.headers.get("vendure-auth-token")
        if token:
            self._headers["authorization"] = f"Bearer {token}"
        assert "errors" not in said, said
        (answer,) = said["data"].values()
        assert not is_refusal(answer), answer
        return answer


def is_refusal(answer: Any) -> bool:
    """Tell whether a union is one of Vendure's error results."""
    return isinstance(answer, Mapping) and "errorCode" in answer


class Staff(Caller):
    """The administrator."""

    def __init__(self, port: int, *, password: str, channel: str | None = None) -> None:
        super().__init__(port, "admin-api", channel=channel)
        self.ask(
            """mutation($password: String!) { login(username: "superadmin", password: $password) {
                 __typename ... on ErrorResult { errorCode message } } }""",
            password=password,
        )


class Buyer(Caller):
    """A new visitor of the shop."""

    def __init__(self, port: int, *, channel: str) -> None:
        super().__init__(port, "shop-api", channel=channel)

    def fill_cart(self, lines: Mapping[str, int]) -> None:
        """Put variants (by id) into the cart, as many as are wanted, or fail."""
        for variant, quantity in lines.items():
            self.ask(
                """mutation($variant: ID!, $quantity: Int!) {
                     addItemToOrder(productVariantId: $variant, quantity: $quantity) {
                       __typename ... on ErrorResult { errorCode message } } }""",
                variant=variant, quantity=quantity,
            )  # fmt: skip

    def check_out(self, *, name: str = "A. Example") -> str:
        """Order what is in the cart; return the order's code."""
        self.ask(
            """mutation { setCustomerForOrder(
                 input: { firstName: "A", lastName: "Example", emailAddress: "a@example.com" }
               ) { __typename ... on ErrorResult { errorCode message } } }"""
        )
        self.ask(
            """mutation($name: String!) { setOrderShippingAddress(input: {
                 fullName: $name, streetLine1: "High Street 1", city: "Exampleton", postalCode: "12345",
                 countryCode: "DE" }) { __typename ... on ErrorResult { errorCode message } } }""",
            name=name,
        )
        methods = self.ask("{ eligibleShippingMethods { id } }")
        self.ask(
            """mutation($id: [ID!]!) { setOrderShippingMethod(shippingMethodId: $id) {
                 __typename ... on ErrorResult { errorCode message } } }""",
            id=[methods[0]["id"]],
        )
        self.ask(
            """mutation { transitionOrderToState(state: "ArrangingPayment") {
                 __typename ... on OrderStateTransitionError { errorCode message transitionError } } }"""
        )
        code: str = self.ask(
            """mutation { addPaymentToOrder(input: { method: "dummy", metadata: {} }) {
                 __typename ... on Order { code } ... on ErrorResult { errorCode message } } }"""
        )["code"]
        return code

    def saleable(self, product: str) -> int:
        """Return the stock level that the shop shows of a product's one variant."""
        shown = self.ask("query($id: ID!) { product(id: $id) { variants { stockLevel } } }", id=product)
        return int(shown["variants"][0]["stockLevel"])
