"""Endpoints and quotas in network files: read whole, checked against each other, compared, retired, documented."""

from __future__ import annotations

import datetime

import msgspec
import pytest
from msgspec import inspect as types

from onhand.app.network_reference import reference_page
from onhand.domain import endpoint as model
from onhand.domain.endpoint import Cost, Daily, Endpoint, Rate, Sliding, Window
from onhand.domain.network_diff import changed, differences, successor
from tests.network.reading import mistake, read

WHOLE = """\
quotas:
  app: {limits: {concurrency: 4}}
endpoints:
  hook:
    system: erp
    base_url: https://erp.example/{operation}
    secret: file:/run/secrets/erp
    quota: app
    limits:
      rates: [{calls_per_s: 0.0056, burst: 20}]
      sliding: [{calls: 6000, in_s: 300}]
      cost: {capacity: 1000, restore_per_s: 50, per_call: 10}
      daily: {calls: 250, per_key: true, timezone: America/Los_Angeles}
    windows:
      - {days: [sunday], start: 22:00, end: "04:00", timezone: Europe/Vienna}
      - {dates: [2026-12-24], start: "12:00", end: "18:00"}
    lanes: {bulk: {weight: 1, calls_max: 2}, prices: {weight: 3}}
"""

PARTS = [
    part
    for part in vars(model).values()
    if isinstance(part, type) and issubclass(part, msgspec.Struct) and part is not msgspec.Struct
]


def test_every_shape_of_limit_is_read() -> None:
    network = read(WHOLE)
    hook = network.endpoints["hook"]
    assert hook.limits.rates == (Rate(calls_per_s=0.0056, burst=20),)
    assert hook.limits.sliding == (Sliding(calls=6000, in_s=300),)
    assert hook.limits.cost == Cost(capacity=1000, restore_per_s=50, per_call=10)
    assert hook.limits.daily == Daily(calls=250, per_key=True, timezone="America/Los_Angeles")
    assert hook.windows == (
        Window(days=("sunday",), start="22:00", end="04:00", timezone="Europe/Vienna"),
        Window(dates=(datetime.date(2026, 12, 24),), start="12:00", end="18:00"),
    )
    assert set(hook.all_lanes) == {"urgent", "normal", "bulk", "prices"}
    quota = network.quota_of(hook)
    assert quota is not None
    assert quota.limits.concurrency == 4


def test_a_private_address_is_never_allowed_by_default() -> None:
    assert not read(WHOLE).endpoints["hook"].allow_private_addresses


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("x: {system: epr, base_url: https://a}", "'epr'", "a system that is declared"),
        ("x: {system: erp, base_url: https://a, quota: ap}", "'ap'", "a quota that is declared"),
        ("x: {system: erp}", "no 'base_url'", "one, since webhooks go to an address"),
        ("x: {system: erp, base_url: ftp://a}", "'ftp://a'", "an address without a query"),
        ("x: {system: erp, base_url: https://a:b@c}", "an address with credentials", "an address without a query"),
        ("x: {system: erp, base_url: https://a, secret: s3cret}", "a text that is no place", "env:NAME or file:/path"),
        ("x: {system: erp, base_url: https://a, batch: 5}", "5", "1, since a webhook carries one message"),
        ("x: {system: erp, base_url: https://a, windows: [{timezone: Vienna}]}", "'Vienna'", "an IANA time zone"),
        ("x: {system: erp, base_url: https://a, windows: [{start: 24:00}]}", "'24:00'", "a time of day as HH:MM"),
        ("x: {system: erp, base_url: https://a, limits: {rates: [{calls_per_s: 0}]}}", "'0'", "from 1e-05 to 100000"),
        ("x: {system: erp, base_url: https://a, limits: {cost: {capacity: 5, restore_per_s: 1, per_call: 6}}}",
         "6", "at most the capacity, which is 5"),
        ("x: {system: erp, base_url: https://a, breaker: {open_s: 9, open_max_s: 3}}", "9", "open_max_s, which is 3"),
        ("x: {system: erp, base_url: https://a, retry: {first_s: 9, longest_s: 3}}", "9", "longest_s, which is 3"),
    ],
)  # fmt: skip
def test_each_mistake_is_told(text: str, found: str, expected: str) -> None:
    told = mistake(f"endpoints:\n  {text}\n")
    assert told.found == found
    assert expected in told.expected


def test_what_would_be_counted_twice_is_refused() -> None:
    day = "limits: {daily: {calls: 5}}"
    told = mistake(f"quotas:\n  q: {{{day}}}\nendpoints:\n  x: {{system: erp, base_url: https://a, quota: q, {day}}}\n")
    assert (told.where, told.expected) == ("endpoints.x.limits.daily", "it once; quota 'q' has one already")


def test_a_change_of_a_limit_is_one_difference_and_can_be_carried_out() -> None:
    old, new = read(WHOLE), read(WHOLE.replace("concurrency: 4", "concurrency: 5"))
    (change,) = differences(old, new)
    assert change.path == ("quotas", "app", "limits", "concurrency")
    assert (change.old, change.new) == (4, 5)
    assert changed(old, [change]) == new


def test_an_endpoint_that_is_no_longer_declared_is_retired_so_that_its_history_stays() -> None:
    after = successor(read(WHOLE), read(""))
    assert after.endpoints["hook"].retired
    assert after.quotas == {}
    assert after.quota_of(after.endpoints["hook"]) is None


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_key_is_explained_on_the_reference_page(part: type[msgspec.Struct]) -> None:
    found = types.type_info(part)
    assert isinstance(found, types.StructType)
    for field in found.fields:
        if field.encode_name != "code":
            assert isinstance(field.type, types.Metadata), field.encode_name
            assert (field.type.extra_json_schema or {}).get("description", "").endswith("."), field.encode_name
            assert f"| `{field.encode_name}` |" in reference_page()


def test_a_lease_outlives_a_verification_and_a_call() -> None:
    hook = Endpoint(code="x", system="erp", timeout_s=30)
    assert hook.lease_s > 2 * hook.timeout_s
