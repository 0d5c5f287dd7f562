"""Cross-checks of mappings: each is compiled, so that a mistake is found here and not when the first document comes."""

from __future__ import annotations

from collections.abc import Iterator

from onhand.app.network_files.checking import Checking
from onhand.app.network_files.mistakes import Mistake, path_text
from onhand.domain.mapping import read_spec


def check_mappings(c: Checking) -> Iterator[Mistake]:
    """Yield what is wrong with mappings."""
    for name, spec in c.network.mappings.items():
        for wrong in read_spec(spec, name=name)[1]:
            path = ("mappings", name, *wrong.path)
            meant = c.reading.suggestion(wrong.word, wrong.known) if wrong.word and wrong.known else None
            yield Mistake(
                at=c.reading.at(path),
                where=path_text(path),
                found=wrong.found,
                expected=wrong.expected,
                suggestion=meant,
            )
