"""What can be wrong with the contracts themselves, as opposed to the data that are held against them."""

from __future__ import annotations

from onhand.domain.errors import InvalidInput, OnhandError


class UnknownEventType(InvalidInput):
    """No contract has this type and version."""

    code = "unknown_event_type"
    title = "There is no contract for this event"
    remedy = "'onhand contracts list' names the types and versions there are."


class BrokenContract(OnhandError):
    """A folder of contracts cannot be used as it is."""

    code = "broken_contract"
    title = "A contract is broken"
    done = "No contract of the folder was loaded."
    remedy = "Correct the file named."
