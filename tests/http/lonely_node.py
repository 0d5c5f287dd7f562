"""A node over the hub in memory, as a process of its own, for the tests of signals. Its first line is its URL.

The reservation `held` waits until a file appears whose name is the first argument, so that a test can stop the node
in the middle of it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

from onhand.app.answers import ReservationAnswer
from onhand.app.identity import Client
from onhand.domain.reservation import Request
from onhand.http.app import build_app
from onhand.http.server import serve
from onhand.http.settings import HttpSettings
from onhand.ops.logging import configure_logging
from tests.http.stand_in import StandIn


class Patient(StandIn):
    """Holds one reservation back."""

    async def reserve(self, client: Client, request: Request) -> ReservationAnswer:
        """Wait for the file, then grant."""
        if request.request_id == "held":
            sys.stdout.write("held\n")
            sys.stdout.flush()
            while not Path(sys.argv[1]).exists():
                await asyncio.sleep(0.01)  # two processes have only files in common
        return await super().reserve(client, request)


def announce(url: str) -> None:
    """Tell the test where the node is."""
    sys.stdout.write(url + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    configure_logging()
    settings = HttpSettings(port=0)
    hub: Any = Patient()
    asyncio.run(serve(build_app(hub, settings), settings, started=announce))
