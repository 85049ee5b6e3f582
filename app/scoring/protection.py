"""Counts of people that nobody can be found in: small groups joined, small cells hidden.  Pure.

Whoever reads a table is taken to know all its totals.  So rows and columns with fewer than ten
people are joined with a neighbour, until each total is nobody or at least ten.  A cell with one to
nine people is hidden together with others: the hidden cells are all crossings of some rows with
some columns, and with the totals known, each small cell could still be nobody or at least ten.
For such a full crossing those bounds are exact: from max(0, row + column - all) to
min(row, column), each counted over the hidden cells alone.  Where even hiding everything does not
do, the smallest row or column is joined with a neighbour, and so on; a single row or column has
nothing but totals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LEAST = 10  # people
Counts = list[list[int]]
Cell = tuple[int, int]


@dataclass(frozen=True)
class Table:
    """A table of counts; None is a hidden cell."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int | None, ...], ...]
    row_totals: tuple[int, ...]
    column_totals: tuple[int, ...]

    def as_document(self) -> dict[str, Any]:
        """The table as JSON values."""
        return {name: _listed(value) for name, value in vars(self).items()}


def protected_table(
    counts: Mapping[tuple[str, str], int], *, rows: Sequence[str], columns: Sequence[str]
) -> Table:
    """The table of these counts by row and column label, fit to be shown.

    Labels stand in the order in which neighbours may be joined.  Fewer than ten people in all:
    an empty table.
    """
    full = [[counts.get((row, column), 0) for column in columns] for row in rows]
    if sum(map(sum, full)) < LEAST:
        return Table((), (), (), (), ())
    row_groups = joined_groups([sum(row) for row in full])
    column_groups = joined_groups([sum(column) for column in zip(*full, strict=True)])
    merged = _merged(full, row_groups, column_groups)
    while (hidden := hidden_cells(merged)) is None:
        _join_smallest(row_groups, column_groups, merged)
        merged = _merged(full, row_groups, column_groups)
    return Table(
        rows=tuple(joined_label(rows, group) for group in row_groups),
        columns=tuple(joined_label(columns, group) for group in column_groups),
        counts=tuple(
            tuple(None if (i, j) in hidden else count for j, count in enumerate(row))
            for i, row in enumerate(merged)
        ),
        row_totals=tuple(sum(row) for row in merged),
        column_totals=tuple(sum(column) for column in zip(*merged, strict=True)),
    )


def joined_groups(totals: Sequence[int]) -> list[list[int]]:
    """Which neighbours to join, so that each group is nobody or at least ten people."""
    groups = [[at] for at in range(len(totals))]
    sizes = list(totals)
    while len(groups) > 1:
        small = next((at for at, size in enumerate(sizes) if 0 < size < LEAST), None)
        if small is None:
            break
        _join(groups, sizes, small)
    return groups


def _join(groups: list[list[int]], sizes: list[int], at: int) -> None:
    """Join a group with the smaller of its neighbours, one with people first."""
    beside = [other for other in (at - 1, at + 1) if 0 <= other < len(groups)]
    other = min(beside, key=lambda one: (sizes[one] == 0, sizes[one]))
    low, high = sorted((at, other))
    groups[low : high + 1] = [groups[low] + groups[high]]
    sizes[low : high + 1] = [sizes[low] + sizes[high]]


def _join_smallest(
    row_groups: list[list[int]], column_groups: list[list[int]], counts: Counts
) -> None:
    """Join the row or the column with the fewest people, where there is more than one."""
    rows, columns = [sum(row) for row in counts], [sum(one) for one in zip(*counts, strict=True)]
    lines = [(size, "row", at) for at, size in enumerate(rows) if size and len(rows) > 1]
    lines += [(size, "column", at) for at, size in enumerate(columns) if size and len(columns) > 1]
    _, kind, at = min(lines)
    if kind == "row":
        _join(row_groups, rows, at)
    else:
        _join(column_groups, columns, at)


def _merged(
    full: Counts, row_groups: Sequence[Sequence[int]], column_groups: Sequence[Sequence[int]]
) -> Counts:
    return [
        [sum(full[i][j] for i in rows for j in columns) for columns in column_groups]
        for rows in row_groups
    ]


def joined_label(labels: Sequence[str], group: Sequence[int]) -> str:
    """The label of joined neighbours."""
    first, last = labels[group[0]], labels[group[-1]]
    return first if first == last else f"{first} … {last}"


def hidden_cells(counts: Counts) -> set[Cell] | None:
    """The cells to hide: a full crossing around the small ones, or none; None: not even all do."""
    small = {(i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if 0 < n < LEAST}
    rows, columns = {i for i, _ in small}, {j for _, j in small}
    while any(_is_open(counts, cell, rows, columns) for cell in small):
        more = _cheapest_line(counts, rows, columns)
        if more is None:
            return None
        kind, at = more
        (rows if kind == "row" else columns).add(at)
    return {(i, j) for i in rows for j in columns}


def _is_open(counts: Counts, cell: Cell, rows: set[int], columns: set[int]) -> bool:
    """Whether a small cell can be told from nobody, or from ten people."""
    row = sum(counts[cell[0]][j] for j in columns)
    column = sum(counts[i][cell[1]] for i in rows)
    everything = sum(counts[i][j] for i in rows for j in columns)
    return min(row, column) < LEAST or row + column > everything


def _cheapest_line(
    counts: Counts, rows: set[int], columns: set[int]
) -> tuple[str, int] | None:
    """The row or column that hides the fewest people more; one without people comes last."""
    lines = [
        (sum(counts[i][j] for j in columns), "row", i)
        for i in range(len(counts)) if i not in rows
    ] + [
        (sum(counts[i][j] for i in rows), "column", j)
        for j in range(len(counts[0])) if j not in columns
    ]
    found = min(lines, key=lambda line: (line[0] == 0, line), default=None)
    return None if found is None else found[1:]


def _listed(value: Any) -> Any:
    return [_listed(one) for one in value] if isinstance(value, tuple) else value
