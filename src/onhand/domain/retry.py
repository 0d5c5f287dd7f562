"""How long to wait before a command is tried again: full jitter, and the partner's own word where it gives one.

Full jitter (a wait drawn evenly from zero to the bound) spreads the tries of many nodes best: M. Brooker, "Exponential
backoff and jitter", 2015. The draw comes in as an argument, so that the rule stays a rule.
"""

from __future__ import annotations

from onhand.domain.endpoint import Retry


def wait_s(policy: Retry, *, attempts: int, draw: float, retry_after_s: float | None = None) -> float:
    """Return the seconds to wait after so many tries; `draw` is an even random number from 0 to 1.

    A Retry-After is waited out whole, up to the policy's bound, and the jitter comes on top: everybody who was told
    the same time must not come back at the same moment.
    """
    bound = min(policy.longest_s, policy.first_s * 2.0 ** min(max(0, attempts - 1), 40))
    jitter = draw * bound
    if retry_after_s is None:
        return jitter
    return min(max(0.0, retry_after_s), float(policy.retry_after_max_s)) + jitter


def exhausted(policy: Retry, *, attempts: int) -> bool:
    """Tell whether there is no further try."""
    return attempts >= policy.attempts_max
