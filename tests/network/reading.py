"""Short ways to read network files in tests, and to say where a mistake should be found."""

from __future__ import annotations

from textwrap import dedent

import pytest

from onhand.app.network_files import Mistake, NetworkInvalid, read_network
from onhand.domain.network import Network

BASE = """\
systems:
  erp: {kind: erp}
  wms: {kind: wms}
locations:
  EAST: {kind: warehouse}
  WEST: {kind: warehouse}
  SHOP: {kind: store}
channels:
  web: {kind: storefront, sells_from: [EAST, WEST]}
  market: {kind: marketplace, sells_from: [EAST]}
"""
"""A small network without mistakes, to which a test adds a file with one."""


def read(text: str, *, base: str = BASE) -> Network:
    return read_network({"a_base.yaml": base, "b.yaml": dedent(text)})


def mistakes(text: str, *, base: str = BASE) -> list[Mistake]:
    """Every mistake that is found when `text` stands in b.yaml beside the base."""
    with pytest.raises(NetworkInvalid) as caught:
        read(text, base=base)
    return list(caught.value.mistakes)


def mistake(text: str, *, base: str = BASE) -> Mistake:
    """The one and only mistake of `text`."""
    found = mistakes(text, base=base)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]
