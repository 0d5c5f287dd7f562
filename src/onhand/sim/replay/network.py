"""The network that a replay runs in: one place, the policy's channels, one system that may state everything."""

from __future__ import annotations

import yaml

from onhand.domain.errors import InvalidInput
from onhand.domain.network import Network
from onhand.sim.replay.judging import EARLIEST
from onhand.sim.replay.outbox import SOURCE
from onhand.sim.replay.policy import Policy


class NetworkUnfit(InvalidInput):
    """The network in force has not what the replay's policy names."""

    code = "replay_network_unfit"
    title = "The network in force does not fit the replay"
    done = "Nothing was sent."
    remedy = "Name your own channels and location in the policy, or replay into an empty database."


def files(policy: Policy) -> dict[str, str]:
    """The network's files ({path: text}); put in force where there is no network yet."""
    hold_s = policy.hold_days * 86_400
    channel = {
        "kind": "storefront",
        "reservation_default_s": hold_s,
        "reservation_max_s": hold_s,
    }
    network = {
        "systems": {SOURCE: {"kind": "erp"}},
        "locations": {policy.location: {"kind": "warehouse", "name": "The warehouse of the order book"}},
        "channels": {code: {**channel, "sells_from": [policy.location]} for code in policy.channel_codes},
        "authority": {"*": [SOURCE]},
        "policies": {"earliest_date": EARLIEST.date()},
    }
    return {"replay.yaml": yaml.safe_dump(network, sort_keys=False)}


def check(network: Network, policy: Policy) -> None:
    """Raise NetworkUnfit naming what the network in force lacks."""
    lacking = [f"channel {code!r}" for code in policy.channel_codes if network.channel(code) is None]
    if network.location(policy.location) is None:
        lacking.append(f"location {policy.location!r}")
    if network.system_of(SOURCE) is None:
        lacking.append(f"system {SOURCE!r}")
    if lacking:
        raise NetworkUnfit(f"The network in force has no {', no '.join(lacking)}.", lacking=lacking)
