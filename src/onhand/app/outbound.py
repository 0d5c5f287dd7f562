"""Commands on their way out: the canonical body becomes what the partner understands, when it is sent.

The mapping is the network's own where it has one of that name, else the connector's. An operation without a mapping
takes the canonical body as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from onhand.app.cross_references import References, lookups
from onhand.app.flow_ports import Outgoing
from onhand.app.mapping_book import MappingBook
from onhand.contracts import strict_json
from onhand.domain.endpoint import Endpoint
from onhand.domain.errors import InvalidInput
from onhand.domain.mapping import CompiledMapping, Context, MappingFailed
from onhand.domain.network import Network
from onhand.ops.clock import utc_now
from onhand.sdk.manifest import Operation
from onhand.sdk.registry import Registry

_EXACT: Final = msgspec.json.Encoder(decimal_format="number")


class Outbound:
    """Makes the bodies of commands. `network` gives the network in force."""

    def __init__(
        self,
        book: MappingBook,
        registry: Registry,
        references: References,
        network: Callable[[], Awaitable[Network]],
        *,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._book = book
        self._registry = registry
        self._references = references
        self._network = network
        self._clock = clock or utc_now

    async def outbound(
        self, endpoint: Endpoint, operation: Operation, commands: Sequence[Outgoing]
    ) -> list[str | InvalidInput]:
        """Return the body for each command, or why it cannot be made (MappingFailed, say).

        Raises UnknownConnector, NoMapping and MappingInvalid: then none of them can be made.
        """
        if operation.mapping is None:
            return [command.body for command in commands]
        network = await self._network()
        chosen = self._book.choose(network, self._registry.get(endpoint.sender), name=operation.mapping)
        await self._references.refresh()
        context = Context(
            system=endpoint.system,
            look_up=lookups(network, self._references, endpoint.system),
            look_up_theirs=lookups(network, self._references, endpoint.system, outbound=True),
            received_at=self._clock(),
        )
        return [_body(chosen.mapping, command, context) for command in commands]


def _body(mapping: CompiledMapping, command: Outgoing, context: Context) -> str | InvalidInput:
    try:
        return _made(mapping, command, context)
    except InvalidInput as error:
        return error


def _made(mapping: CompiledMapping, command: Outgoing, context: Context) -> str:
    document: Any = strict_json.loads(command.body.encode())
    if not isinstance(document, dict):
        raise InvalidInput("The body of a command is an object.", pointer="")
    facts = {"key": command.idempotency_key, "cause": command.cause, "operation": command.operation}
    made = mapping.apply(document, msgspec.structs.replace(context, facts=facts))
    if len(made) != 1:
        raise MappingFailed("", mapping.name, f"a command becomes one payload, this one would become {len(made)}")
    return _EXACT.encode(made[0].data).decode()
