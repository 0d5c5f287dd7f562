"""Texts with places to fill: `order {head.number} of {customer.name?}`. A doubled brace stands for itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from onhand.domain.mapping.errors import Unfit
from onhand.domain.mapping.paths import BadPath, Path, parse
from onhand.domain.mapping.scope import Scope
from onhand.domain.mapping.values import limited, read_clean, text_of

_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[^{}]+|[{}]")


class Template:
    """A text whose places were read."""

    __slots__ = ("paths", "pieces")

    def __init__(self, pieces: tuple[str | Path, ...]) -> None:
        self.pieces = pieces
        self.paths = tuple(piece for piece in pieces if isinstance(piece, Path))

    def renderer(self) -> Callable[[Scope], str | None]:
        """Return the function that fills it: None when something is missing that has no `?`."""
        if len(self.pieces) == 1 and len(self.paths) == 1:
            return _alone(read_clean(self.paths[0]))
        parts: list[tuple[str, Callable[[Scope], Any] | None, bool]] = [
            (piece, None, True) if isinstance(piece, str) else ("", read_clean(piece), piece.optional)
            for piece in self.pieces
        ]

        def render(scope: Scope) -> str | None:
            out = []
            for text, read, optional in parts:
                value = text if read is None else read(scope)
                if value is not None:
                    out.append(text_of(value))
                elif not optional:
                    return None
            return limited("".join(out)) or None

        return render

    def missing(self, scope: Scope) -> Path | None:
        """Return the first place that nothing fills."""
        for path in self.paths:
            try:
                if not path.optional and read_clean(path)(scope) is None:
                    return path
            except Unfit:
                return path
        return None


def read_template(text: str) -> Template:
    """Read a template. Raises BadPath."""
    pieces: list[str | Path] = []
    for found in _PIECE.finditer(text):
        piece = found[0]
        if found[1] is not None:
            pieces.append(_place(found[1]))
        elif piece in ("{", "}"):
            raise BadPath(f"a '{piece}' without its other half; doubled it stands for itself")
        else:
            pieces.append(piece[0] if piece in ("{{", "}}") else piece)
    return Template(tuple(pieces))


def _alone(read: Callable[[Scope], Any]) -> Callable[[Scope], str | None]:
    """Return the renderer of a template that is one place and nothing else."""

    def render(scope: Scope) -> str | None:
        value = read(scope)
        return None if value is None else limited(text_of(value))

    return render


def _place(text: str) -> Path:
    path = parse(text)
    if path.many:
        raise BadPath(f"'{text}', which leads to several values")
    return path
