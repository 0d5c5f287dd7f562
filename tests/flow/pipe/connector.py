"""The connector of the tests' partner: each request is one entry of `REQUESTS`."""

from __future__ import annotations

from collections.abc import Sequence

from onhand.sdk import Connector, Delivered, Outcome, Outgoing

REQUESTS: list[list[str]] = []


class Pipe(Connector):
    """Delivers everything at once."""

    async def send(self, operation: str, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
        """Take the bodies of one request."""
        REQUESTS.append([each.body for each in commands])
        return [Delivered(answer=each.body) for each in commands]
