"""Connectors at work: one for each endpoint, and the sender that carries commands through them.

A command's body is canonical; the operation's mapping turns it into what the partner understands at the moment of
sending, so that a mended mapping holds for what waits already. A body that cannot be mapped is the message's fault, not
the partner's: it becomes a dead letter and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from onhand.app.flow_ports import Call, Outgoing, Sender
from onhand.app.publish_ports import READ_BACK, TICKET
from onhand.domain.endpoint import Endpoint
from onhand.domain.errors import InvalidInput, OnhandError
from onhand.domain.outcome import Outcome, Rejected, Unauthorised
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.sdk.answers import outcome_of_fault
from onhand.sdk.connector import Connector, NotClaimed
from onhand.sdk.manifest import ManifestInvalid, Operation
from onhand.sdk.registry import ConnectorBroken, Registry, SettingsInvalid, UnknownConnector
from onhand.sdk.secrets import SecretMissing


class Bodies(Protocol):
    """What turns canonical bodies into those of a partner."""

    async def outbound(
        self, endpoint: Endpoint, operation: Operation, commands: Sequence[Outgoing]
    ) -> list[str | InvalidInput]:
        """Return the body for each command, or why it cannot be made. Raises OnhandError where none can."""


class Connected:
    """The connectors of this process: made when first needed, made anew when their endpoint's policy changes."""

    def __init__(
        self, registry: Registry, transport: Transport, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self.registry = registry
        self._transport = transport
        self._clock = clock
        self._made: dict[str, tuple[Endpoint, Connector]] = {}

    def of(self, endpoint: Endpoint) -> Connector:
        """Return the connector of an endpoint. Raises UnknownConnector, ConnectorBroken, SettingsInvalid."""
        known = self._made.get(endpoint.code)
        if known is not None and known[0] == endpoint:
            return known[1]
        link = EndpointLink(endpoint, self._transport, clock=self._clock)
        made = self.registry.get(endpoint.sender).make(endpoint.settings, link)
        self._made[endpoint.code] = (endpoint, made)
        return made

    def batches(self, endpoint: Endpoint) -> Mapping[str, int]:
        """Return, by operation, the most commands that one request to an endpoint carries; none where it is unknown.

        The operations by which the hub itself asks are among them: a ticket is one question, looking is bounded.
        """
        try:
            manifest = self.registry.get(endpoint.sender).manifest
        except (UnknownConnector, ManifestInvalid):
            return {}
        most = {name: operation.batch for name, operation in manifest.operations.items()}
        return {**most, TICKET: 1, READ_BACK: max(1, manifest.read_back)}


class ConnectorSender:
    """The Sender of `onhand.app.flow_ports` for every endpoint that has a connector.

    `special` are senders for single operations that read what they say only when they say it, such as `stock.publish`.
    """

    def __init__(self, connected: Connected, bodies: Bodies, *, special: Mapping[str, Sender] | None = None) -> None:
        self._connected = connected
        self._bodies = bodies
        self._special = special or {}

    async def send(self, call: Call) -> Sequence[Outcome]:
        """Carry a call in one request; one outcome for each of its commands, or a single one for all.

        A call is what the limits count: the claim saw to it that it holds one operation, and as much as that takes.
        """
        try:
            connector = self._connected.of(call.endpoint)
        except (UnknownConnector, ConnectorBroken, SettingsInvalid) as error:
            return [Unauthorised(detail=error.detail)]
        name = call.commands[0].operation
        assert all(each.operation == name for each in call.commands), "a call holds one operation"
        special = self._special.get(name)
        if special is not None:
            return await special.send(call)
        operation = connector.manifest.operations.get(name)
        if operation is None:
            return [Rejected(reason=f"the connector {connector.manifest.code!r} has no operation {name!r}")]
        return await self._told(connector, call, operation)

    async def _told(self, connector: Connector, call: Call, operation: Operation) -> Sequence[Outcome]:
        """Tell what can be told; those whose bodies cannot be made are refused alone."""
        try:
            bodies = await self._bodies.outbound(call.endpoint, operation, call.commands)
        except OnhandError as error:
            return [_unfit(error)]
        made = dict(zip((each.id for each in call.commands), bodies, strict=True))
        outcomes: dict[int, Outcome] = {id_: _unfit(body) for id_, body in made.items() if not isinstance(body, str)}
        ready = [
            msgspec.structs.replace(each, body=body) for each in call.commands if isinstance(body := made[each.id], str)
        ]
        if ready:
            outcomes.update(zip((each.id for each in ready), await _asked(connector, ready), strict=True))
        return [outcomes[each.id] for each in call.commands]


def _unfit(error: OnhandError) -> Rejected:
    return Rejected(reason=f"{error.code}: {error.detail}")


async def _asked(connector: Connector, commands: Sequence[Outgoing]) -> Sequence[Outcome]:
    """Return what became of each command; a fault of the transport is an outcome like any other."""
    try:
        found = await connector.send(commands[0].operation, commands)
    except NotClaimed as error:
        return [Rejected(reason=error.detail)] * len(commands)
    except SecretMissing as error:
        return [Unauthorised(detail=error.detail)] * len(commands)
    except OnhandError as error:
        return [outcome_of_fault(error)] * len(commands)
    return found if len(found) == len(commands) else list(found) * len(commands)
