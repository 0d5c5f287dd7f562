"""Which addresses are private, in their rarer forms."""

from __future__ import annotations

import pytest

from onhand.flow.addresses import is_public


@pytest.mark.parametrize("address", ["fec0::1", "feff::1"])
def test_site_local_addresses_are_not_public(address: str) -> None:
    assert not is_public(address)
