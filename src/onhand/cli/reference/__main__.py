"""Writes the generated pages: `python -m onhand.cli.reference docs/reference`."""

from __future__ import annotations

import sys
from pathlib import Path

from onhand.cli import reference

if __name__ == "__main__":
    changed = reference.write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference"))
    sys.stdout.write("".join(f"wrote {name}\n" for name in changed) or "Every generated page is current.\n")
