"""The connector's mappings, run as the hub runs them, on what its stand-in says and on the recordings beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from onhand.app.inbox_bodies import decode
from onhand.app.mapping_files import read_mapping
from onhand.app.mapping_files.documents import CONTENT_TYPES
from onhand.domain.mapping import CompiledMapping, Context, Mapped
from onhand.sdk.connector import Connector, Message
from onhand.sdk.manifest import Stream
from onhand.sdk.registry import Package
from onhand.testkit.check import heard, polled
from onhand.testkit.reading import messages, pages
from onhand.testkit.stage import Scene

_TYPES = {**CONTENT_TYPES, ".csv": "text/csv"}


def mappings(package: Package) -> dict[str, CompiledMapping]:
    """Return the mappings of `mapping.yaml` by name. Raises MappingFileInvalid, ConnectorBroken."""
    return read_mapping(package.text("mapping.yaml"), file=f"{package.name}/mapping.yaml")


def recordings(package: Package, stream: str) -> list[Message]:
    """Return what lies in `samples/<stream>`, as messages."""
    folder = package.folder / "samples" / stream
    return [
        Message(key=file.name, body=file.read_bytes(), content_type=_TYPES.get(file.suffix, ""))
        for file in sorted(folder.glob("*"))
        if file.is_file()
    ]


async def said(scene: Scene, stream: str, connector: Connector, *, count: int = 5) -> list[Message]:
    """Return what the partner says of a stream: read, and heard where it sends webhooks."""
    found: list[Message] = []
    if stream in polled(scene.manifest):
        await scene.partner.populate(stream, count)
        found += messages(await pages(connector, stream))
    if stream in heard(scene.manifest) and "webhook" not in scene.partner.without:
        found += connector.arrived(stream, scene.partner.webhook(stream, "good", now=datetime.now(UTC)))
    return found


class Translator:
    """Translates the messages of one stream. Codes that somebody must declare are taken as they are."""

    def __init__(self, package: Package, connector: Connector, stream: str, claim: Stream) -> None:
        self._connector = connector
        self._stream = stream
        self.mapping = mappings(package)[claim.mapping]

    @property
    def is_empty(self) -> bool:
        """Whether it is a place kept for the operator's own mapping."""
        return not self.mapping._events

    def document(self, message: Message) -> object:
        """Return a body as the document that the mapping reads. Raises InvalidInput."""
        own = self._connector.decode(self._stream, message.body, message.content_type)
        return decode(message.body, message.content_type) if own is None else own

    def events(self, message: Message) -> list[Mapped]:
        """Return what a message becomes. Raises InvalidInput."""
        facts = {"key": message.key, "name": message.key, "stream": self._stream}
        return self.mapping.apply(self.document(message), context(facts))


def context(facts: Mapping[str, object] | None = None) -> Context:
    """Return what a mapping may know besides the document; every code means itself."""
    return Context(
        system="somewhere",
        look_up=_itself,
        look_up_theirs=_itself,
        received_at=datetime.now(UTC),
        facts=facts or {},
    )


def _itself(_kind: str, code: str) -> str:
    return code


def outbound_samples(package: Package, operation: str) -> Iterator[tuple[str, bytes]]:
    """Give the canonical bodies that lie in `samples/<operation>`."""
    folder = Path(package.folder) / "samples" / operation
    for file in sorted(folder.glob("*.json")):
        yield file.name, file.read_bytes()


def names(package: Package) -> set[str]:
    """Return the names of the mappings. Raises as `mappings`."""
    return set(mappings(package))


def of_direction(found: dict[str, CompiledMapping], *, outbound: bool) -> Sequence[str]:
    """Return the names of those that go out, or those that come in."""
    return [name for name, each in found.items() if each.outbound is outbound]
