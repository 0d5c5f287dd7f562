"""The network: everything that config as code says, as one frozen value that every rule and use case reads.

A `Network` is what `onhand apply` makes current: systems, places, statuses, channels and the policies
between them. It is a value: a change is a new network with a new version number, never an edit. The files of
a network folder are read against these very types (names, types, bounds and the text of the reference page
come from here), so a field added here is at once readable, checked, compared, stored and documented.

Four virtual locations and the canonical statuses exist in every network without being declared.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from onhand.domain.codes import NO_CONTROLS, Code, PartnerCode, Seconds, Source, Text
from onhand.domain.endpoint import Endpoint, Quota
from onhand.domain.feed import Feed
from onhand.domain.publishing import Publishing

HUB = "onhand"
"""The code of the hub itself: never declared, never accepted as the source of a partner's event."""

HUB_ONLY = ("reservation.",)
"""Families of event types that only the hub states; authority cannot hand them to a partner."""

ANY_TYPE = "*"
QUANTITY_MAX = 1_000_000_000_000

Sku = Annotated[
    str,
    Meta(
        title="a SKU: up to 200 characters, none of them a control character, no blank at either end",
        min_length=1,
        max_length=200,
        pattern=rf"^(?!\s){NO_CONTROLS}+(?<!\s)\Z",
    ),
]
Quantity = Annotated[int, Meta(ge=0, le=QUANTITY_MAX)]

SystemKind = Literal["erp", "wms", "storefront", "marketplace", "edi", "supplier", "carrier", "other"]
LocationKind = Literal["warehouse", "store", "supplier", "customer", "transit", "adjustment"]
ChannelKind = Literal["storefront", "marketplace", "edi", "portal", "desk"]
SourcingRule = Literal["single_location", "nearest", "priority", "cost"]


class System(msgspec.Struct, frozen=True, kw_only=True):
    """Anything that is connected; it states facts under its code or one of the sources declared here."""

    code: Code
    kind: Annotated[SystemKind, Meta(description="What sort of system it is.")]
    sources: Annotated[
        tuple[Source, ...],
        Meta(description="CloudEvents `source` values that mean this system, besides its own code."),
    ] = ()
    owner: Annotated[Text | None, Meta(description="Who answers for it: a team or an address.")] = None
    retired: Annotated[bool, Meta(description="No longer in use: kept for history, may state nothing.")] = False


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """A place where stock can be: physical (warehouse, store) or virtual (all other kinds)."""

    code: Code
    kind: Annotated[LocationKind, Meta(description="Only warehouses and stores hold stock that can be sold.")]
    name: Annotated[Text, Meta(description="What people call it; the code when left out.")] = ""
    region: Annotated[Text | None, Meta(description="The region whose rules its data follows.")] = None
    country: Annotated[
        Annotated[str, Meta(title="two capital letters", pattern=r"^[A-Z]{2}\Z")] | None,
        Meta(description="Two capital letters (ISO 3166-1)."),
    ] = None
    timezone: Annotated[str, Meta(description="An IANA time zone, for example Europe/Vienna.")] = "UTC"
    latitude: Annotated[
        Annotated[float, Meta(ge=-90, le=90)] | None,
        Meta(description="Degrees north; needed with longitude where the nearest place is chosen."),
    ] = None
    longitude: Annotated[
        Annotated[float, Meta(ge=-180, le=180)] | None, Meta(description="Degrees east; see latitude.")
    ] = None
    priority: Annotated[
        int,
        Meta(ge=0, le=1_000_000, description="The lower number is taken first by the sourcing rule `priority`."),
    ] = 100
    cost: Annotated[
        Annotated[int, Meta(ge=0, le=QUANTITY_MAX)] | None,
        Meta(
            description="What shipping from here costs, in any one unit: the lower is taken first by the "
            "sourcing rule `cost`; places without it come last."
        ),
    ] = None
    retired: Annotated[bool, Meta(description="Closed: kept for history, no channel may sell from it.")] = False

    def __post_init__(self) -> None:
        """Name it by its code when it has no name."""
        if not self.name:
            msgspec.structs.force_setattr(self, "name", self.code)

    @property
    def physical(self) -> bool:
        """Whether stock that can be sold may stand here."""
        return self.kind in ("warehouse", "store")


class LocationGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Several locations under one name, in the order in which they are tried."""

    code: Code
    locations: Annotated[tuple[Code, ...], Meta(min_length=1, description="Codes of warehouses and stores.")]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The condition of stock at a place; only sellable statuses count as on hand."""

    code: Code
    sellable: Annotated[
        bool,
        Meta(description="Whether stock in this status may be promised. The canonical statuses know by themselves."),
    ]
    translations: Annotated[
        dict[Code, tuple[PartnerCode, ...]],
        Meta(description="For each system, the codes by which it names this status."),
    ] = {}
    retired: Annotated[bool, Meta(description="No longer used: kept for history, never sellable.")] = False


class QuantityRules(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity in base units by item: the SKU decides first, then the category, then the default."""

    default: Annotated[Quantity | None, Meta(description="For items that no other rule names.")] = None
    by_category: Annotated[dict[Text, Quantity], Meta(description="For all items of a category.")] = {}
    by_sku: Annotated[dict[Sku, Quantity], Meta(description="For single items; wins over the category.")] = {}

    def quantity(self, *, sku: str, category: str | None) -> int | None:
        """Return the quantity for one item in base units, None when no rule speaks."""
        found = self.by_sku.get(sku)
        if found is None and category is not None:
            found = self.by_category.get(category)
        return self.default if found is None else found


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """Anything that sells, and the policy by which stock is promised to it."""

    code: Code
    kind: Annotated[ChannelKind, Meta(description="What sort of channel it is.")]
    name: Annotated[Text, Meta(description="What people call it; the code when left out.")] = ""
    system: Annotated[Code | None, Meta(description="The system through which it is reached.")] = None
    sells_from: Annotated[
        tuple[Code, ...],
        Meta(min_length=1, description="Locations and location groups whose stock it may sell."),
    ]
    sourcing: Annotated[
        tuple[SourcingRule, ...],
        Meta(
            min_length=1,
            description="How places are chosen for an order, the first rule deciding first: "
            "`single_location` prefers one place that has it all, `nearest`, `priority` and `cost` put the "
            "places in order.",
        ),
    ] = ("single_location", "priority")
    max_splits: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None,
        Meta(description="The most locations that one order may be shipped from."),
    ] = None
    ship_complete: Annotated[bool, Meta(description="Grant an order whole or not at all.")] = False
    safety_stock: Annotated[
        QuantityRules,
        Meta(description="Base units withheld from this channel, after all demand; none by default."),
    ] = QuantityRules()
    max_listed: Annotated[
        QuantityRules,
        Meta(description="The largest number of base units that it may ever show; no limit by default."),
    ] = QuantityRules()
    min_remaining_life_days: Annotated[
        int, Meta(ge=0, le=36_500, description="Lots must still live this long on the day they are shipped.")
    ] = 0
    floor_to_selling_unit: Annotated[
        bool, Meta(description="Show and promise only whole selling units of an item (say, cartons of 12).")
    ] = False
    reservation_default_s: Annotated[
        Seconds, Meta(description="How many seconds a reservation holds when the request does not say.")
    ] = 900
    reservation_max_s: Annotated[Seconds, Meta(description="The longest that a request may ask for, in seconds.")] = (
        14 * 86_400
    )
    latitude: Annotated[
        Annotated[float, Meta(ge=-90, le=90)] | None,
        Meta(description="Where its orders go, in degrees north, when an order does not say; for `nearest`."),
    ] = None
    longitude: Annotated[
        Annotated[float, Meta(ge=-180, le=180)] | None, Meta(description="Degrees east; see latitude.")
    ] = None
    publish: Annotated[
        Publishing | None,
        Meta(description="How it is told numbers; it is told none when this is left out, and asks for them itself."),
    ] = None
    retired: Annotated[bool, Meta(description="Closed: kept for history, nothing new is promised to it.")] = False

    def __post_init__(self) -> None:
        """Name it by its code when it has no name."""
        if not self.name:
            msgspec.structs.force_setattr(self, "name", self.code)


class ChannelGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Channels that share ring-fences; a channel belongs to one group at most."""

    code: Code
    channels: Annotated[tuple[Code, ...], Meta(min_length=1, description="Codes of channels.")]


class RingFence(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of an item at a location that is set aside for one channel or channel group."""

    group: Annotated[Code, Meta(description="The channel or channel group that it is set aside for.")]
    sku: Annotated[Sku, Meta(description="The item.")]
    location: Annotated[Code, Meta(description="The warehouse or store where it stands.")]
    quantity: Annotated[
        int, Meta(ge=1, le=QUANTITY_MAX, description="Base units set aside; what the group takes uses it up.")
    ]

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes a ring-fence one and the same over versions: (group, sku, location)."""
        return (self.group, self.sku, self.location)


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """A unit of measure: how partners name it and, if it is the same for every item, what it is made of."""

    code: Code
    name: Annotated[Text, Meta(description="What people call it; the code when left out.")] = ""
    of: Annotated[Code | None, Meta(description="The smaller unit that it consists of, for every item.")] = None
    factor: Annotated[
        Annotated[int, Meta(ge=1, le=QUANTITY_MAX)] | None,
        Meta(description="How many of the smaller unit; an item's own factor wins."),
    ] = None
    translations: Annotated[
        dict[Code, tuple[PartnerCode, ...]],
        Meta(description="For each system, the codes by which it names this unit."),
    ] = {}

    def __post_init__(self) -> None:
        """Name it by its code when it has no name."""
        if not self.name:
            msgspec.structs.force_setattr(self, "name", self.code)


class ItemsPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for every item unless the item says otherwise."""

    base_uom: Annotated[Code, Meta(description="The base unit of an item that names none.")] = "each"


class Policies(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on what a fact may claim; outside them it is quarantined as an impossible date."""

    future_tolerance_s: Annotated[
        int, Meta(ge=0, le=366 * 86_400, description="How many seconds ahead of now an event's time may lie.")
    ] = 86_400
    earliest_date: Annotated[
        datetime.date, Meta(description="The first day (UTC) on which anything can have happened.")
    ] = datetime.date(2000, 1, 1)


VIRTUAL_LOCATIONS: Mapping[str, Location] = {
    "supplier": Location(code="supplier", name="Suppliers", kind="supplier"),
    "customer": Location(code="customer", name="Customers", kind="customer"),
    "transit": Location(code="transit", name="In transit", kind="transit"),
    "adjustment": Location(code="adjustment", name="Adjustments", kind="adjustment"),
}

CANONICAL_STATUSES: Mapping[str, Status] = {
    code: Status(code=code, sellable=code == "available")
    for code in (
        "available", "quality_check", "hold", "damaged", "expired", "in_transit", "returned", "picked",
    )
}  # fmt: skip


class Network(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One version of the whole configuration; all lookups are constant time.

    Lookups take codes and answer None for a code that was never declared. Retired parts are found, so marked.
    """

    systems: dict[Code, System] = {}
    locations: dict[Code, Location] = {}
    location_groups: dict[Code, LocationGroup] = {}
    statuses: dict[Code, Status] = {}
    channels: dict[Code, Channel] = {}
    channel_groups: dict[Code, ChannelGroup] = {}
    ring_fences: tuple[RingFence, ...] = ()
    authority: dict[str, tuple[Code, ...]] = {}
    units: dict[Code, Unit] = {}
    items_policy: ItemsPolicy = ItemsPolicy()
    policies: Policies = Policies()
    endpoints: dict[Code, Endpoint] = {}
    quotas: dict[Code, Quota] = {}
    feeds: dict[Code, Feed] = {}
    mappings: dict[Code, Any] = {}

    def __post_init__(self) -> None:
        """Add what exists in every network, and order what has no order of its own."""
        msgspec.structs.force_setattr(self, "locations", {**VIRTUAL_LOCATIONS, **self.locations})
        msgspec.structs.force_setattr(self, "statuses", {**CANONICAL_STATUSES, **self.statuses})
        msgspec.structs.force_setattr(self, "ring_fences", tuple(sorted(self.ring_fences, key=lambda f: f.key)))

    def system(self, code: str) -> System | None:
        """Return the system of that code."""
        return self.systems.get(code)

    def location(self, code: str) -> Location | None:
        """Return the location of that code, virtual ones included."""
        return self.locations.get(code)

    def status(self, code: str) -> Status | None:
        """Return the status of that canonical code."""
        return self.statuses.get(code)

    def channel(self, code: str) -> Channel | None:
        """Return the channel of that code."""
        return self.channels.get(code)

    def unit(self, code: str) -> Unit | None:
        """Return the declared unit of that code; items may use others of their own."""
        return self.units.get(code)

    def endpoint(self, code: str) -> Endpoint | None:
        """Return the endpoint of that code, a retired one included."""
        return self.endpoints.get(code)

    def feed(self, code: str) -> Feed | None:
        """Return the feed of that code, a retired one included."""
        return self.feeds.get(code)

    def channel_of(self, feed: Feed) -> str | None:
        """Return the channel whose orders a feed brings: the one it names, or the only one of its system."""
        endpoint = self.endpoints.get(feed.endpoint)
        if feed.channel is not None or endpoint is None:
            return feed.channel
        found = [each.code for each in self.channels.values() if each.system == endpoint.system and not each.retired]
        return found[0] if len(found) == 1 else None

    def quota_of(self, endpoint: Endpoint) -> Quota | None:
        """Return the quota that an endpoint shares with others."""
        return None if endpoint.quota is None else self.quotas.get(endpoint.quota)

    def system_of(self, source: str) -> System | None:
        """Return the system that a CloudEvents `source` means: its code or one of its declared sources."""
        return self._system_by_source.get(source)

    def may_state(self, system: str, event_type: str) -> bool:
        """Tell whether a system may state facts of that type.

        The most exact entry of `authority` decides: the type itself, then its family (`order.*`), then `*`.
        With no such entry any declared system may. The hub may state everything; a retired or unknown system
        nothing.
        """
        if system == HUB:
            return True
        declared = self.systems.get(system)
        if declared is None or declared.retired or event_type.startswith(HUB_ONLY):
            return False
        allowed = self.authority_for(event_type)
        return allowed is None or system in allowed

    def authority_for(self, event_type: str) -> tuple[str, ...] | None:
        """Return the systems that may state the type, None when any declared one may."""
        for key in (event_type, event_type.partition(".")[0] + ".*", ANY_TYPE):
            if key in self.authority:
                return self.authority[key]
        return None

    def status_from(self, system: str, partner_code: str) -> Status | None:
        """Translate a partner's status code; the canonical code itself is understood from everybody."""
        return self._status_by_partner.get((system, partner_code)) or self.statuses.get(partner_code)

    def unit_from(self, system: str, partner_code: str) -> str:
        """Translate a partner's unit code; one without a translation is passed on, for the item to know."""
        return self._unit_by_partner.get((system, partner_code), partner_code)

    def factors_for(self, base: str, own: Mapping[str, int]) -> dict[str, int]:
        """Return unit -> base units for an item: its own factors, and those declared units that lead to them."""
        factors = dict(own)
        for code in self.units:
            self._resolve_factor(code, base, factors)
        return factors

    def _resolve_factor(self, code: str, base: str, factors: dict[str, int]) -> int | None:
        if code == base:
            return 1
        unit = self.units.get(code)
        if code not in factors and unit is not None and unit.of is not None and unit.factor is not None:
            inner = self._resolve_factor(unit.of, base, factors)
            if inner is not None and inner * unit.factor <= QUANTITY_MAX:
                factors[code] = inner * unit.factor
        return factors.get(code)

    def locations_in(self, code: str) -> tuple[Location, ...]:
        """Return the locations that a location's or a group's code stands for, retired ones left out."""
        group = self.location_groups.get(code)
        codes = group.locations if group is not None else (code,)
        found = (self.locations.get(each) for each in codes)
        return tuple(place for place in found if place is not None and not place.retired)

    def locations_of(self, channel: str) -> tuple[Location, ...]:
        """Return the locations that a channel sells from, each once, in sourcing order.

        The order is that of its rules `priority` and `cost`, and where those tie the order of declaration.
        Distance depends on the order's destination and is for the caller. Empty for an unknown or retired
        channel.
        """
        return self._locations_by_channel.get(channel, ())

    def safety_stock(self, channel: str, sku: str, category: str | None = None) -> int:
        """Return the base units of an item that are withheld from a channel."""
        declared = self.channels.get(channel)
        return (declared.safety_stock.quantity(sku=sku, category=category) or 0) if declared else 0

    def max_listed(self, channel: str, sku: str, category: str | None = None) -> int | None:
        """Return the largest number of base units that a channel may show, None for no limit."""
        declared = self.channels.get(channel)
        return declared.max_listed.quantity(sku=sku, category=category) if declared else None

    def channel_group_of(self, channel: str) -> ChannelGroup | None:
        """Return the one channel group that a channel belongs to."""
        return self._group_by_channel.get(channel)

    def fence_group_of(self, channel: str) -> str | None:
        """Return the code under which ring-fences are the channel's own: its group's or its own code.

        The files are refused when both carry ring-fences, so there is never a choice. None: nothing is set
        aside for it.
        """
        if channel in self._fenced:
            return channel
        group = self._group_by_channel.get(channel)
        return group.code if group is not None and group.code in self._fenced else None

    @cached_property
    def _system_by_source(self) -> dict[str, System]:
        living_last = sorted(self.systems.values(), key=lambda system: not system.retired)
        return {source: system for system in living_last for source in system.sources} | self.systems

    @cached_property
    def _status_by_partner(self) -> dict[tuple[str, str], Status]:
        return {
            (system, partner): status
            for status in self.statuses.values()
            if not status.retired
            for system, partners in status.translations.items()
            for partner in partners
        }

    @cached_property
    def _unit_by_partner(self) -> dict[tuple[str, str], str]:
        return {
            (system, partner): unit.code
            for unit in self.units.values()
            for system, partners in unit.translations.items()
            for partner in partners
        }

    @cached_property
    def _group_by_channel(self) -> dict[str, ChannelGroup]:
        return {channel: group for group in self.channel_groups.values() for channel in group.channels}

    @cached_property
    def _fenced(self) -> frozenset[str]:
        return frozenset(fence.group for fence in self.ring_fences)

    @cached_property
    def _locations_by_channel(self) -> dict[str, tuple[Location, ...]]:
        return {c.code: self._in_sourcing_order(c) for c in self.channels.values() if not c.retired}

    def _in_sourcing_order(self, channel: Channel) -> tuple[Location, ...]:
        places = {place.code: place for code in channel.sells_from for place in self.locations_in(code)}

        def rank(place: Location) -> tuple[int, ...]:
            by_rule = {
                "priority": place.priority,
                "cost": QUANTITY_MAX + 1 if place.cost is None else place.cost,
            }
            return tuple(by_rule[rule] for rule in channel.sourcing if rule in by_rule)

        return tuple(sorted(places.values(), key=rank))


EMPTY = Network()
"""What runs before the first `onhand apply`: version 0, in which no system may state anything."""
