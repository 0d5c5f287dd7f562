"""Cross-checks of feeds, and of what an endpoint's settings are to its connector.

Which connectors are installed is known to the environment, not to the files; it is handed in, so that reading stays
a matter of its arguments alone.
"""

from __future__ import annotations

from collections.abc import Iterator

from onhand.app.network_files.check_endpoints import WEBHOOK
from onhand.app.network_files.checking import Checking
from onhand.app.network_files.mistakes import Mistake, quoted
from onhand.app.network_files.typed import Path
from onhand.domain.endpoint import Endpoint
from onhand.domain.feed import Feed, Statement
from onhand.sdk.manifest import ManifestInvalid, Stream
from onhand.sdk.registry import ConnectorBroken, Package

LESSENED = ("available", "unshipped")
"""The meanings whose numbers the source has taken demand off."""


def check_feeds(c: Checking) -> Iterator[Mistake]:
    """Yield what is wrong with feeds, and with the settings of endpoints."""
    for endpoint in c.network.endpoints.values():
        if not endpoint.retired:
            yield from _settings(c, ("endpoints", endpoint.code), endpoint)
    for feed in c.network.feeds.values():
        if not feed.retired:
            yield from _feed(c, ("feeds", feed.code), feed)


def _settings(c: Checking, path: Path, endpoint: Endpoint) -> Iterator[Mistake]:
    """Report settings that the connector's schema does not allow, those left out included."""
    if endpoint.sender not in c.connectors:
        if endpoint.settings and endpoint.sender == WEBHOOK:
            yield c.mistake((*path, "settings"), found="settings", expected="none, since a webhook has none")
        elif endpoint.settings:
            yield _no_connector(c, (*path, "sender"), endpoint.sender)
        return
    package = c.connectors.get(endpoint.sender)
    try:
        told = package.check_settings(endpoint.settings)
    except ConnectorBroken as broken:
        yield _broken(c, (*path, "sender"), package, broken)
        return
    for each in told:
        place, _, message = each.partition(": ")
        steps = () if place == "settings" else tuple(int(s) if s.isdecimal() else s for s in place.split("/"))
        at = (*path, "settings", *steps)
        yield c.mistake(at, found=message, expected=f"what the connector '{package.name}' asks for")


def _feed(c: Checking, path: Path, feed: Feed) -> Iterator[Mistake]:
    if feed.mapping is not None and not c.exists("mappings", feed.mapping):
        expected = "a mapping that is declared"
        yield c.unknown((*path, "mapping"), feed.mapping, expected=expected, names=c.names("mappings"))
    if feed.channel is not None:
        yield from c.channel((*path, "channel"), feed.channel)
    yield from _statement(c, (*path, "statement"), feed.statement)
    endpoint = c.network.endpoints.get(feed.endpoint)
    if endpoint is None and not c.exists("endpoints", feed.endpoint):
        expected = "an endpoint that is declared"
        yield c.unknown((*path, "endpoint"), feed.endpoint, expected=expected, names=c.network.endpoints)
    elif endpoint is not None and endpoint.retired:
        found = f"{quoted(feed.endpoint)}, which is retired"
        yield c.mistake((*path, "endpoint"), found=found, expected="an endpoint in use")
    elif endpoint is not None:
        yield from _source(c, (*path, "source"), feed, endpoint)
        yield from _through(c, path, feed, endpoint)


def _source(c: Checking, path: Path, feed: Feed, endpoint: Endpoint) -> Iterator[Mistake]:
    """Report a source by which somebody else, or nobody, is known: authority would hold up all its facts."""
    if feed.source is None:
        return
    system = c.network.system_of(feed.source)
    if system is None or system.code != endpoint.system:
        expected = f"the code of system '{endpoint.system}' or one of its sources"
        yield c.mistake(path, found=quoted(feed.source), expected=expected)


def _through(c: Checking, path: Path, feed: Feed, endpoint: Endpoint) -> Iterator[Mistake]:
    """Report a connector that is not installed, or does not have that stream in that mode."""
    if endpoint.sender not in c.connectors:
        yield _no_connector(c, (*path, "endpoint"), endpoint.sender)
        return
    package = c.connectors.get(endpoint.sender)
    try:
        streams = package.manifest.streams
    except (ConnectorBroken, ManifestInvalid) as broken:
        yield _broken(c, (*path, "endpoint"), package, broken)
        return
    stream = streams.get(feed.stream)
    if stream is None:
        expected = f"a stream of the connector '{package.name}'"
        yield c.unknown((*path, "stream"), feed.stream, expected=expected, names=streams)
        return
    yield from _fits(c, path, feed, stream)


def _fits(c: Checking, path: Path, feed: Feed, stream: Stream) -> Iterator[Mistake]:
    if feed.mode not in stream.modes:
        expected = f"a mode of the stream '{feed.stream}': {', '.join(stream.modes)}"
        yield c.mistake((*path, "mode"), found=quoted(feed.mode), expected=expected)
    elif feed.statement.means == "full_with_zeroing" and feed.mode == "poll" and not stream.snapshot:
        expected = "a stream that states everything as of a cut-off; this one never does, so nothing would be zeroed"
        yield c.mistake((*path, "statement", "means"), found=quoted(feed.statement.means), expected=expected)


def _statement(c: Checking, path: Path, statement: Statement) -> Iterator[Mistake]:
    if statement.location is not None:
        yield from c.place((*path, "location"), statement.location)
    status = c.network.statuses.get(statement.status)
    if status is None and not c.exists("statuses", statement.status):
        expected = "a status that is declared"
        yield c.unknown((*path, "status"), statement.status, expected=expected, names=c.names("statuses"))
    yield from c.repeated((*path, "subtracted"), statement.subtracted)
    if statement.subtracted and statement.means not in LESSENED:
        expected = f"none: it goes with {' and '.join(LESSENED)}, and this one means '{statement.means}'"
        yield c.mistake((*path, "subtracted"), found="demand", expected=expected)


def _no_connector(c: Checking, path: Path, name: str) -> Mistake:
    names = (package.name for package in c.connectors)
    return c.unknown(path, name, expected="the name of a connector that is installed", names=names)


def _broken(c: Checking, path: Path, package: Package, broken: ConnectorBroken | ManifestInvalid) -> Mistake:
    return c.mistake(path, found=quoted(package.name), expected=f"a connector that can be used ({broken.detail})")
