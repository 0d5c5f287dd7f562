"""The hub's side of a connector's line: requests below an endpoint's address, over the one transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlencode

import msgspec

from onhand.domain.endpoint import Endpoint
from onhand.flow.remote_files import files_of
from onhand.flow.transport import Transport
from onhand.ops.clock import utc_now
from onhand.sdk.http import Answer, Request, Unreachable
from onhand.sdk.link import Files
from onhand.sdk.secrets import Secret, SecretMissing, read_secret


class EndpointLink:
    """The Link of `onhand.sdk.link` for one endpoint."""

    def __init__(
        self, endpoint: Endpoint, transport: Transport, *, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._endpoint = endpoint
        self._transport = transport
        self._clock = clock or utc_now

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint in force when the link was made."""
        return self._endpoint

    def now(self) -> datetime:
        """The time."""
        return self._clock()

    def secret(self) -> Secret:
        """The endpoint's secret, read anew. Raises SecretMissing."""
        if self._endpoint.secret is None:
            raise SecretMissing(f"The endpoint '{self._endpoint.code}' names no place for its secret.")
        return read_secret(self._endpoint.secret)

    def secret_fields(self) -> Mapping[str, str]:
        """The members of a secret that is a JSON object of texts. Raises SecretMissing."""
        try:
            return msgspec.json.decode(self.secret().reveal(), type=dict[str, str])
        except msgspec.DecodeError:
            # The decoder's own words would show parts of the secret.
            raise SecretMissing(f"The secret of '{self._endpoint.code}' is not a JSON object of texts.") from None

    async def call(
        self,
        method: str,
        path: str = "",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: object = None,
    ) -> Answer:
        """Make one request below the base address. Raises the faults of `onhand.sdk.http`."""
        endpoint = self._endpoint
        if endpoint.base_url is None:
            raise Unreachable(f"The endpoint '{endpoint.code}' has no base_url.")
        sent = dict(headers or {})
        if json is not None:
            body = msgspec.json.encode(json)
            sent.setdefault("content-type", "application/json")
        return await self._transport.call(
            Request(
                method=method,
                url=_address(endpoint.base_url, path, query),
                headers=sent,
                body=body,
                timeout_s=endpoint.timeout_s,
                allow_private_addresses=endpoint.allow_private_addresses,
            )
        )

    def files(self) -> Files:
        """The endpoint's files. Raises AddressRefused."""
        return files_of(self._endpoint, self.secret_fields if self._endpoint.secret else dict)


def _address(base_url: str, path: str, query: Mapping[str, str] | None) -> str:
    joined = base_url if not path else f"{base_url.rstrip('/')}/{path.lstrip('/')}"
    return f"{joined}?{urlencode(query)}" if query else joined
