"""Merged regions of a worksheet below its header: refused, filled with their first cell, or left as they are."""

from __future__ import annotations

from collections.abc import Mapping

from onhand.connectors.files.cells import Cell
from onhand.connectors.files.mistakes import Mistakes
from onhand.connectors.files.settings import Settings
from onhand.connectors.files.table import Table
from onhand.connectors.files.xlsx_parts import COLUMNS_MAX, Merge


class Merges:
    """Merged regions below the header: refused, filled with their first cell, or left as they are."""

    def __init__(self, found: list[Merge], settings: Settings, mistakes: Mistakes) -> None:
        self._below = [each for each in found if each.bottom >= max(1, settings.header_row)]
        self._how = settings.xlsx.merged
        self._mistakes = mistakes
        self._open: dict[Merge, Cell | None] = {}
        self._waiting = sorted(self._below, reverse=True)

    def check(self, table: Table) -> None:
        """Note a mistake for each region that touches a declared column, where they are refused."""
        if self._how != "refuse":
            return
        for merge in self._below:
            touched = [shown for place, _, _, shown in table.columns if merge.left <= place <= merge.right]
            if touched:
                reason = "cells are merged here; set xlsx.merged, or have them written one by one"
                self._mistakes.add(reason, row=merge.top, column=touched[0])

    def filled(self, number: int, cells: Mapping[int, Cell]) -> Mapping[int, Cell]:
        """Return a row's cells, with those that a region above or beside them stands for."""
        if self._how != "fill":
            return cells
        while self._waiting and self._waiting[-1].top <= number:
            merge = self._waiting.pop()
            if merge.bottom >= number:
                self._open[merge] = cells.get(merge.left) if merge.top == number else None
        filled = dict(cells)
        for merge in [each for each in self._open if each.bottom < number]:
            del self._open[merge]
        for merge, cell in self._open.items():
            if cell is not None:
                for column in range(merge.left, min(merge.right, COLUMNS_MAX) + 1):
                    filled.setdefault(column, cell)
        return filled
