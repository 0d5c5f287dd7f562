"""All that the author of a connector sees of the hub.

A connector is a folder: `manifest.toml`, `config.schema.json`, `connector.py`, `mapping.yaml`, `fake.py`, `samples/`,
`docs.md`. Everything that its code needs is imported from here.
"""

from onhand.app.flow_ports import Outgoing
from onhand.domain.endpoint import Endpoint
from onhand.domain.outcome import Delivered, Gone, Outcome, Rejected, Throttled, Transient, Unauthorised, Unknown
from onhand.domain.throttle import Told
from onhand.sdk.answers import outcome_of_answer, outcome_of_fault, retry_after_s
from onhand.sdk.connector import (
    Arrival,
    Checked,
    Connector,
    Found,
    Message,
    NotClaimed,
    Page,
    ReadFailed,
    Shown,
    StockUpdate,
    Ticket,
    WebhookRefused,
)
from onhand.sdk.http import AddressRefused, Answer, AnswerLost, NotTrusted, Unreachable
from onhand.sdk.link import Files, Link, RemoteFile
from onhand.sdk.manifest import Manifest
from onhand.sdk.secrets import Secret, SecretMissing
from onhand.sdk.signing import hmac_fits, verify

__all__ = [
    "AddressRefused", "Answer", "AnswerLost", "Arrival", "Checked", "Connector", "Delivered", "Endpoint", "Files",
    "Found", "Gone", "Link", "Manifest", "Message", "NotClaimed", "NotTrusted", "Outcome", "Outgoing", "Page",
    "ReadFailed", "Rejected", "RemoteFile", "Secret", "SecretMissing", "Shown", "StockUpdate", "Throttled", "Ticket",
    "Told", "Transient", "Unauthorised", "Unknown", "Unreachable", "WebhookRefused", "hmac_fits", "outcome_of_answer",
    "outcome_of_fault", "retry_after_s", "verify",
]  # fmt: skip
