"""The limits of what one mapping and one document may ask for, each with its reason.

They stand here and not in `onhand.ops.limits` because the domain depends on nothing.
"""

from __future__ import annotations

from typing import Final

WORK_MAX: Final = 2_000_000
"""Fields of loops and elements of `[*]` in one run: 100,000 lines of twenty fields; a loop in a loop over the whole
document reaches it within seconds and fails instead of running for ever."""

MAPPED_MAX: Final = 200_000
"""Events or payloads of one document; a file with more is to be sent in parts."""

FAILED_MAX: Final = 1_000
"""Parts of one document that may fail each for itself; with more, the mapping or the document is wrong as a whole."""

DEPTH_MAX: Final = 32
"""How deep a part of the document that is passed on whole may nest: as deep as canonical JSON is read."""

NUMBER_DIGITS_MAX: Final = 18
"""Digits before the point, and places behind it, of every number that a mapping reads or computes: what contracts
take."""

NUMBER_TEXT_MAX: Final = 64
"""A number that is written longer is refused before it is computed with."""

TEXT_MAX: Final = 10_000
"""What a template or a joined list may grow to."""

ID_MAX: Final = 200
"""An event's id is part of an index key; contracts take no longer ones."""

PATTERN_MAX: Final = 200
"""Characters of a pattern; what needs more is a table."""

PATTERN_TEXT_MAX: Final = 500
"""Characters that a pattern is tried on: codes and references are short, and the time to fail grows with the text."""

PATTERN_WAYS_MAX: Final = 1_000_000
"""In how many ways a pattern may try to match the longest text: a few milliseconds when it fails at the last."""

RULE_DEPTH_MAX: Final = 40
"""How deep rules may nest in a specification; people write five."""

CEL_MAX: Final = 500
"""Characters of an expression; longer ones are programs."""
