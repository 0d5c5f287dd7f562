"""What no single value can tell: that every name refers to something, and that the parts fit together.

The checks also run over files that hold mistakes of form, so that all mistakes are told at once; a name then counts
as declared even if what stands under it could not be read.
"""

from __future__ import annotations

from collections.abc import Iterator

from onhand.app.network_files.check_channels import check_channels
from onhand.app.network_files.check_endpoints import check_endpoints
from onhand.app.network_files.check_feeds import check_feeds
from onhand.app.network_files.check_mappings import check_mappings
from onhand.app.network_files.check_places import check_places
from onhand.app.network_files.check_policies import check_policies
from onhand.app.network_files.checking import Checking
from onhand.app.network_files.mistakes import Mistake


def cross_check(checking: Checking) -> Iterator[Mistake]:
    """Yield every mistake that lies between the parts of a network."""
    for check in (check_places, check_channels, check_policies, check_endpoints, check_feeds, check_mappings):
        yield from check(checking)
