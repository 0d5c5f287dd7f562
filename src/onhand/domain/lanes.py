"""Which lanes the next calls belong to: fair shares by weight, also when there is only one call in three minutes.

Start-time fair queueing (P. Goyal, H. Vin, H. Cheng, SIGCOMM 1996): each lane carries a tag that moves on by 1/weight
with every call, and the lowest tag goes next. A lane that was idle starts at the present tag, so nobody saves up.
Tags are whole numbers; one call of weight 1 is `UNIT`.
"""

from __future__ import annotations

from collections.abc import Mapping

from onhand.domain.endpoint import Lane

UNIT = 5_040_000
"""Divisible by most weights that people choose; the rest is rounded up."""

Tags = Mapping[str, int]
"""For each lane, the tag of its next call; under the empty name, the tag of the last call that was given."""


def share(
    lanes: Mapping[str, Lane], tags: Tags, *, waiting: Mapping[str, int], in_flight: Mapping[str, int], calls: int
) -> tuple[dict[str, int], dict[str, int]]:
    """Return how many of the calls each lane gets, and the tags after them.

    `waiting` is how many calls each lane has work for, `in_flight` how many it has out already: its cap counts them.
    A lane that no policy names any more is treated as one of weight 1.
    """
    left = {name: _room(lanes.get(name), n, in_flight.get(name, 0)) for name, n in waiting.items()}
    floor = tags.get("", 0)
    after = {name: max(floor, tags.get(name, 0)) for name in waiting}
    given: dict[str, int] = {}
    for _ in range(calls):
        candidates = [name for name, n in left.items() if n > 0]
        if not candidates:
            break
        name = min(candidates, key=lambda each: (after[each], each))
        floor = after[name]
        after[name] += _step(lanes.get(name))
        left[name] -= 1
        given[name] = given.get(name, 0) + 1
    return given, {**{name: tag for name, tag in tags.items() if tag > floor}, **after, "": floor}


def _room(lane: Lane | None, waiting: int, in_flight: int) -> int:
    if lane is None or lane.calls_max is None:
        return waiting
    return max(0, min(waiting, lane.calls_max - in_flight))


def _step(lane: Lane | None) -> int:
    return -(-UNIT // (1 if lane is None else lane.weight))
