"""The checks themselves, by what they are about. Importing this package enters all of them into the table."""

from onhand.testkit.checks import (
    asking,
    hub,
    inbox,
    mappings,
    package,
    reading,
    records,
    secrets,
    sickness,
    telling,
    webhooks,
)

__all__ = [
    "asking", "hub", "inbox", "mappings", "package", "reading", "records", "secrets", "sickness", "telling", "webhooks",
]  # fmt: skip
