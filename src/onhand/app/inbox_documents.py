"""How the bodies of a feed become documents: as its connector takes them apart, or else by their content type."""

from __future__ import annotations

from typing import Any

from onhand.app.inbox_bodies import decode
from onhand.app.inbox_ports import Held
from onhand.app.inbox_receive import Connectors
from onhand.domain.feed import Feed
from onhand.domain.network import Network
from onhand.sdk.connector import Connector


class Reading:
    """Reads the bodies of one stream. `connector` None: it has no way of its own."""

    def __init__(self, stream: str, connector: Connector | None) -> None:
        self._stream = stream
        self._connector = connector

    @property
    def beside_the_loop(self) -> bool:
        """Whether it may take long whatever the size: a small workbook unpacks to a large one."""
        return self._connector is not None

    def __call__(self, message: Held) -> Any:
        """Return a message's document. Raises InvalidInput."""
        if self._connector is not None:
            own = self._connector.decode(self._stream, message.body, message.content_type)
            if own is not None:
                return own
        return decode(message.body, message.content_type)


def reading_of(network: Network, feed: Feed, connectors: Connectors | None) -> Reading:
    """Return what reads a feed's bodies. Raises what making its connector raises."""
    connector = None if connectors is None else connectors(network.endpoints[feed.endpoint])
    own = connector is not None and type(connector).decode is not Connector.decode
    return Reading(feed.stream, connector if own else None)
