"""The mapping of a feed, ready to be applied: chosen from the book, with the codes that it may look up."""

from __future__ import annotations

from typing import Any

from onhand.app.cross_references import References, lookups
from onhand.app.inbox_ports import Held, Made
from onhand.app.mapping_book import Chosen, MappingBook
from onhand.domain.feed import Feed
from onhand.domain.inbox import Trouble
from onhand.domain.mapping import Context, LookUp
from onhand.domain.network import Network
from onhand.sdk.registry import ConnectorBroken, Registry


class ChooseMapping:
    """The Choose of `onhand.app.inbox_ports`: the network's own mapping where there is one, else the connector's."""

    def __init__(self, book: MappingBook, registry: Registry, references: References) -> None:
        self._book = book
        self._registry = registry
        self._references = references

    async def __call__(self, network: Network, feed: Feed) -> _Ready:
        """Return it. Raises UnknownConnector, ConnectorBroken, NoMapping, MappingInvalid."""
        endpoint = network.endpoints[feed.endpoint]
        package = self._registry.get(endpoint.sender)
        stream = package.manifest.streams.get(feed.stream)
        if stream is None:
            raise ConnectorBroken(f"The connector '{package.name}' has no stream '{feed.stream}' any more.")
        chosen = self._book.choose(network, package, name=feed.mapping or stream.mapping)
        await self._references.refresh()
        look_up = lookups(network, self._references, endpoint.system)
        return _Ready(chosen, endpoint.system, look_up, channel=network.channel_of(feed))


class _Ready:
    """The Choice of `onhand.app.inbox_ports`."""

    def __init__(self, chosen: Chosen, system: str, look_up: LookUp, *, channel: str | None) -> None:
        self._chosen = chosen
        self._system = system
        self._look_up = look_up
        self._more = {} if channel is None else {"channel": channel}

    @property
    def fingerprint(self) -> str:
        """The mapping's name and the digest of its text."""
        return f"{self._chosen.name}@{self._chosen.fingerprint}"

    def apply(self, document: Any, message: Held) -> Made:
        """Return what a document says, and which of its records say nothing that can be understood."""
        context = Context(
            system=self._system,
            look_up=self._look_up,
            received_at=message.received_at,
            facts={**message.facts, "key": message.key, **self._more},
        )
        mapped, failed = self._chosen.mapping.apply_each(document, context)
        return Made(mapped, [Trouble(code=each.code, detail=each.detail, place=each.pointer) for each in failed])
