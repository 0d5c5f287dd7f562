"""The garbage collector of a serving process: told once what lives for ever and how often to look at the rest.

A batch of a thousand facts makes some fifty thousand small objects that all die together. With Python's defaults the
collector walks everything that lives, the remembered items included, dozens of times a batch: a third of the CPU.
"""

from __future__ import annotations

import gc
from typing import Final

YOUNG_OBJECTS_MAX: Final = 50_000
"""Allocations before the young generation is looked at: more than a batch makes, so that most die unseen."""

OLDER_EVERY: Final = 20
"""Each older generation is looked at after that many looks at the younger one."""


def settle() -> None:
    """Call once when a process is ready to serve: what is there now is taken to live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, OLDER_EVERY, OLDER_EVERY)
