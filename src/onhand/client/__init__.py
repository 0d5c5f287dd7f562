"""The Python client of Onhand: typed, sync and async, repeating safely by itself.

It stands alone: nothing of the server is imported, only msgspec and aiohttp.
"""

from onhand.client.aio import AsyncClient
from onhand.client.errors import (
    ApiError,
    Conflict,
    ConnectionLost,
    EventsRejected,
    Forbidden,
    InsufficientStock,
    Invalid,
    NotFound,
    NotUnderstood,
    OnhandError,
    RequestIdReused,
    ReservationClosed,
    Unauthorised,
    Unavailable,
)
from onhand.client.sync import Client

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Conflict",
    "ConnectionLost",
    "EventsRejected",
    "Forbidden",
    "InsufficientStock",
    "Invalid",
    "NotFound",
    "NotUnderstood",
    "OnhandError",
    "RequestIdReused",
    "ReservationClosed",
    "Unauthorised",
    "Unavailable",
]
