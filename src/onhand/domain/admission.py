"""Admission: which system a fact comes from, whether that system may state it, and whether its time can be true."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from onhand.domain.fact import Refused
from onhand.domain.network import HUB, Network


class Admission:
    """Who may state what, and when it can have happened, under one network at one moment."""

    def __init__(self, network: Network, now: datetime) -> None:
        policies = network.policies
        self._network = network
        self._latest = now + timedelta(seconds=policies.future_tolerance_s)
        self._earliest = datetime.combine(policies.earliest_date, time(), UTC)
        self._admitted: dict[tuple[str, str], str] = {}

    def system_of(self, source: str, event_type: str, occurred_at: datetime) -> str:
        """Return the code of the system that states it.

        Raises Refused for a source that nobody declared, one without authority, and a date that cannot be.
        """
        system = self._admitted.get((source, event_type)) or self._admit(source, event_type)
        self.check_time(occurred_at)
        return system

    def check_time(self, occurred_at: datetime) -> None:
        """Raise Refused for a moment at which nothing can have happened."""
        if occurred_at > self._latest:
            raise Refused(
                "impossible_date", f"{occurred_at.isoformat()} lies in the future.", time=occurred_at.isoformat()
            )
        if occurred_at < self._earliest:
            raise Refused(
                "impossible_date",
                f"{occurred_at.isoformat()} lies before {self._earliest.date()}, the earliest date accepted.",
                time=occurred_at.isoformat(),
            )

    def _admit(self, source: str, event_type: str) -> str:
        system = self._network.system_of(source)
        if source == HUB:
            # What the hub states is made in it, under ids of its own: nobody outside may speak in its name.
            detail = f"The source {HUB!r} is the hub itself; nobody else may state facts under it."
            raise Refused("unauthorised_source", detail, system=HUB, type=event_type)
        if system is None:
            raise Refused("unknown_source", f"No system declares the source {source!r}.", source=source)
        if not self._network.may_state(system.code, event_type):
            detail = f"The system {system.code!r} may not state {event_type}."
            raise Refused("unauthorised_source", detail, system=system.code, type=event_type)
        self._admitted[source, event_type] = system.code
        return system.code
