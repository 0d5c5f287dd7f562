"""Reading stock, catalogue, keys and network over HTTP."""

from __future__ import annotations

from tests.http.conftest import Caller
from tests.http.stand_in import StandIn


async def test_availability_answers_for_each_sku_in_order(call: Caller) -> None:
    answered = await call.get("/v1/availability?channel=web&sku=NONE&sku=TEA-001&date=2026-12-01")
    assert answered.json["rows"] == [
        {"sku": "NONE", "channel": "web", "quantity": 0, "known": False,
         "promise": [{"day": "2026-12-01", "quantity": 0}]},
        {"sku": "TEA-001", "channel": "web", "quantity": 10, "promise": [{"day": "2026-12-01", "quantity": 10}]},
    ]  # fmt: skip


async def test_a_thousand_skus_fit_into_one_read_and_one_more_does_not(call: Caller) -> None:
    skus = [f"SKU-{number}" for number in range(1_000)]
    answered = await call.post("/v1/availability", {"channel": "web", "skus": skus})
    assert [row["sku"] for row in answered.json["rows"]] == skus
    more = await call.post("/v1/availability", {"channel": "web", "skus": [*skus, "X"]})
    assert (more.problem, more.json["pointer"]) == ("invalid_input", "/skus")
    assert (await call.get("/v1/availability?channel=web")).json["parameter"] == "sku"


async def test_balances_movements_and_items_are_listed(call: Caller, hub: StandIn) -> None:
    hub.stock = {f"SKU-{number}": number for number in range(250)}
    first = await call.get("/v1/balances")
    assert len(first.json["rows"]) == 100
    assert first.headers["Link"] == '<?after=100>; rel="next"'
    last = await call.get("/v1/balances?limit=1000")
    assert (len(last.json["rows"]), last.json["next"]) == (250, None)
    assert (await call.get("/v1/movements?sku=SKU-1")).json == {"rows": [], "next": None}
    assert [row["sku"] for row in (await call.get("/v1/items?query=SKU-24")).json["rows"]][:2] == ["SKU-24", "SKU-240"]


async def test_a_cursor_that_is_not_ours_is_refused(call: Caller) -> None:
    answered = await call.get("/v1/balances?after=%F0%9F%AB%96")
    assert (answered.status, answered.problem) == (422, "invalid_input")


async def test_locations_channels_and_versions_come_from_the_network(call: Caller) -> None:
    assert "DC" in [row["code"] for row in (await call.get("/v1/locations")).json["rows"]]
    assert [row["code"] for row in (await call.get("/v1/channels")).json["rows"]] == ["web"]
    assert (await call.get("/v1/network")).json["version"] == 1
    assert (await call.get("/v1/network/versions")).json["rows"][0]["applied_by"] == "t"
    assert (await call.get("/v1/network/versions/1")).json["files"] == {"locations.yaml": ""}
    assert (await call.get("/v1/network/versions/9")).status == 404
    assert (await call.get("/v1/network/versions/x")).problem == "invalid_parameter"


async def test_keys_are_made_shown_once_rotated_and_revoked(call: Caller) -> None:
    made = await call.post("/v1/keys", {"client": "shop", "scopes": ["stock:read"]})
    assert made.status == 201
    secret = made.json["secret"]
    assert (await call.get("/v1/items", key=secret)).status == 200
    listed = await call.get("/v1/keys")
    assert secret.encode() not in listed.body
    rotated = await call.post("/v1/keys/1/rotate", {"overlap_s": 60})
    assert rotated.json["secret"] != secret
    assert (await call.post("/v1/keys/1/revoke")).json["revoked_at"]
    assert (await call.post("/v1/keys/77/revoke")).status == 404
    assert (await call.post("/v1/keys", {"client": "shop", "scopes": ["root"]})).json["pointer"] == "/scopes/0"
