"""The stage of a check: a partner that plays, an endpoint that reaches it, and the connector on the hub's real line.

Each check has a stage of its own, so that nothing of one is seen by the next. The secret is a marker that appears
nowhere else: what shows it, shows a secret.
"""

from __future__ import annotations

import importlib
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from onhand.domain.endpoint import Endpoint
from onhand.flow.link import EndpointLink
from onhand.flow.transport import Transport
from onhand.sdk.connector import Connector
from onhand.sdk.fake import FakePartner
from onhand.sdk.http import Answer
from onhand.sdk.manifest import Manifest
from onhand.sdk.partner import Part, Partner
from onhand.sdk.registry import Package
from onhand.testkit.check import Broken, NotApplicable
from onhand.testkit.ground import Ground

CODE = "partner"
"""The code of the endpoint on every stage."""

TIMEOUT_S = 5.0

MakePartner = Callable[..., Partner]
"""Makes a partner; takes `seed`, and `secret`, `rate` and `clock` where it is a `FakePartner`."""


class Recorder(EndpointLink):
    """The hub's own link, which also remembers what was answered."""

    answers: list[Answer]

    async def call(self, *args: Any, **named: Any) -> Answer:
        """Make one request, as the hub does."""
        answer = await super().call(*args, **named)
        self.answers.append(answer)
        return answer


@dataclass(slots=True)
class Scene:
    """A partner and a connector that face each other."""

    package: Package
    partner: Partner
    transport: Transport
    secret_file: Path
    policy: Mapping[str, Any] = field(default_factory=dict)
    clock: Callable[[], datetime] | None = None

    @property
    def manifest(self) -> Manifest:
        """What the connector claims."""
        return self.package.manifest

    @property
    def fake(self) -> FakePartner:
        """The partner as a stand-in that can be sick. Raises NotApplicable for one that cannot."""
        self.needs("faults")
        if not isinstance(self.partner, FakePartner):
            raise NotApplicable("the partner is no stand-in over HTTP, so it cannot be made sick")
        return self.partner

    def needs(self, part: Part) -> None:
        """Raise NotApplicable where the partner cannot play a part, with its reason."""
        if part in self.partner.without:
            raise NotApplicable(f"the partner cannot play {part!r}: {self.partner.without[part]}")

    def endpoint(self, **policy: Any) -> Endpoint:
        """Return an endpoint that reaches the partner."""
        fields = {
            "code": CODE,
            "system": "somewhere",
            "base_url": self.partner.url or None,
            "sender": self.package.name,
            "settings": self.partner.settings(),
            "secret": f"file:{self.secret_file}" if self.partner.credentials() else None,
            "allow_private_addresses": True,
            "timeout_s": TIMEOUT_S,
        }
        return msgspec.convert({**fields, **self.policy, **policy}, Endpoint)

    def write_secret(self, text: str | None = None) -> None:
        """Put a secret into the endpoint's place: the partner's, or another one."""
        self.secret_file.write_text(self.partner.credentials() if text is None else text)

    def link(self, **policy: Any) -> Recorder:
        """Return a line of the hub to the partner."""
        link = Recorder(self.endpoint(**policy), self.transport, clock=self.clock)
        link.answers = []
        return link

    def connector(self, **policy: Any) -> Connector:
        """Return a connector, made as the hub makes it; each is a new one."""
        link = self.link(**policy)
        return self.package.make(link.endpoint.settings, link)

    def secrets(self) -> set[str]:
        """Return every text that nobody may see: the secret, and each member of one that is an object, names aside."""
        whole = self.partner.credentials()
        try:
            members = msgspec.json.decode(whole, type=dict[str, str])
        except msgspec.DecodeError:
            return {whole} if whole else set()
        return {value for name, value in members.items() if name not in _NAMES and len(value) >= 8}


_NAMES = {"user", "username", "client_id", "login", "account", "database"}
"""Members of a secret that name somebody; they open nothing."""


class Stage:
    """Everything that a check is given."""

    def __init__(
        self, package: Package, make_partner: MakePartner | None, ground: Ground, *, recording: bool = False
    ) -> None:
        """`make_partner` None: the connector's own stand-in.

        `recording`: what the checks find is about to be written down, so that the old record does not count.
        """
        self.package = package
        self.ground = ground
        self.recording = recording
        self.figures: dict[str, int] = {}
        self._make_partner = make_partner

    @property
    def manifest(self) -> Manifest:
        """What the connector claims."""
        return self.package.manifest

    def make_partner(self, *, seed: int = 1, **named: Any) -> Partner:
        """Return a partner that is not there yet."""
        make = self._make_partner or fake_of(self.package)
        if isinstance(make, type) and issubclass(make, FakePartner):
            named = {"secret": f"kit-{secrets.token_hex(16)}", **named}
        else:
            named = {}
        return make(seed=seed, **named)

    @asynccontextmanager
    async def scene(
        self, *, policy: Mapping[str, Any] | None = None, clock: Callable[[], datetime] | None = None, **named: Any
    ) -> AsyncIterator[Scene]:
        """A partner that is there, and all that a connector needs to reach it, for as long as the block runs."""
        folder = Path(tempfile.mkdtemp(prefix="onhand-kit-"))
        async with AsyncExitStack() as stack:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            partner = await stack.enter_async_context(self.make_partner(**named))
            transport = await stack.enter_async_context(Transport())
            scene = Scene(self.package, partner, transport, folder / "secret", dict(policy or {}), clock)
            scene.write_secret()
            yield scene


def broken_towards(partner: Partner) -> list[str]:
    """Return the promises broken towards a partner; those that keep no count have none."""
    return list(getattr(partner, "broken", []))


def fake_of(package: Package) -> MakePartner:
    """Return the class of a connector's stand-in. Raises Broken where there is none."""
    try:
        module = importlib.import_module(f"{package.module}.fake")
        made: MakePartner = module.Fake
    except (ImportError, AttributeError) as error:
        raise Broken(f"its folder has no `fake.py` with a class `Fake`: {error}") from error
    return made
