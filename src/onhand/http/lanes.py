"""Sheds load in a fixed order: listings first, then facts, then reads of stock; reservations never.

All requests in flight on the node are counted together, and each lane is closed at its own number of them. So when
the node fills up the lanes close one after the other, in the order in which refusing them does the least harm:
a report can wait, a partner sends its facts again, a shop shows a number that is a second old, but an order that was
refused is lost. The bodies of feeds are also counted in bytes, because a few large batches fill a node's memory
long before their number would say so.
"""

from __future__ import annotations

from typing import Literal

from onhand.http.errors import Overloaded, Stopping
from onhand.http.limits import SHED_RETRY_AFTER_S
from onhand.http.settings import HttpSettings

Lane = Literal["analytics", "feeds", "reads", "promises", "system"]

WHAT = {"analytics": "listings and logs", "feeds": "facts", "reads": "reads of stock"}


class Lanes:
    """Counts what is in flight on this node and says who may enter."""

    def __init__(self, settings: HttpSettings) -> None:
        self.in_flight = 0
        self.bodies_bytes = 0
        self.stopping = False
        self._bodies_bytes_max = settings.bodies_bytes_max
        self._closes_at: dict[Lane, int] = {
            "analytics": settings.analytics_in_flight_max,
            "feeds": settings.feeds_in_flight_max,
            "reads": settings.reads_in_flight_max,
        }

    def enter(self, lane: Lane) -> None:
        """Let a request in that is already counted as in flight. Raises Overloaded, Stopping."""
        if self.stopping and lane != "system":
            raise Stopping("This node is about to stop.", retry_after_s=SHED_RETRY_AFTER_S)
        limit = self._closes_at.get(lane)
        if limit is not None and self.in_flight > limit:
            raise Overloaded(
                f"{self.in_flight} requests are in flight; {WHAT[lane]} are refused from {limit} on.",
                lane=lane,
                retry_after_s=SHED_RETRY_AFTER_S,
            )

    def hold(self, size_bytes: int) -> None:
        """Take room for a feed's body; give it back with `give_back`. Raises Overloaded when there is none."""
        if self.bodies_bytes and self.bodies_bytes + size_bytes > self._bodies_bytes_max:
            raise Overloaded(
                f"Feeds of {self.bodies_bytes} bytes are being worked on; there is room for {self._bodies_bytes_max}.",
                lane="feeds",
                retry_after_s=SHED_RETRY_AFTER_S,
            )
        self.bodies_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Give back room taken with `hold`."""
        self.bodies_bytes -= size_bytes
