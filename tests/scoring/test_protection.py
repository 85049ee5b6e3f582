"""Counts in which nobody can be found, whatever totals a reader knows."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from app.scoring.protection import LEAST, Table, hidden_cells, protected_table

CELLS = st.one_of(st.integers(0, 12), st.integers(0, 400))
TABLES = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda size: st.lists(
        st.lists(CELLS, min_size=size[1], max_size=size[1]), min_size=size[0], max_size=size[0]
    )
)


def protected(counts: Sequence[Sequence[int]]) -> Table:
    rows = [f"r{at}" for at in range(len(counts))]
    columns = [f"c{at}" for at in range(len(counts[0]))]
    found = {
        (rows[i], columns[j]): count
        for i, row in enumerate(counts) for j, count in enumerate(row)
    }
    return protected_table(found, rows=rows, columns=columns)


def bounds(table: Table, i: int, j: int) -> tuple[int, int]:
    """What a hidden cell can be, by the totals and all cells that are shown.

    The hidden cells are all crossings of some rows and columns (asserted), hence Frechet's bounds.
    """
    rows = [at for at, row in enumerate(table.counts) if None in row]
    columns = [
        at for at in range(len(table.columns)) if any(row[at] is None for row in table.counts)
    ]
    assert all(table.counts[a][b] is None for a in rows for b in columns)
    left = {
        a: table.row_totals[a] - sum(count or 0 for count in table.counts[a]) for a in rows
    }
    above = {
        b: table.column_totals[b] - sum(row[b] or 0 for row in table.counts) for b in columns
    }
    assert sum(left.values()) == sum(above.values())
    return max(0, left[i] + above[j] - sum(left.values())), min(left[i], above[j])


@settings(max_examples=300, deadline=None)
@given(TABLES)
def test_no_small_group_is_shown_or_can_be_computed(counts: list[list[int]]) -> None:
    table = protected(counts)
    for total in (*table.row_totals, *table.column_totals):
        assert total == 0 or total >= LEAST
    merged = merged_counts(counts, table)
    for i, row in enumerate(table.counts):
        for j, count in enumerate(row):
            assert count is None or count == 0 or count >= LEAST
            if 0 < merged[i][j] < LEAST:
                least, most = bounds(table, i, j)
                assert least == 0
                assert most >= LEAST


def merged_counts(counts: list[list[int]], table: Table) -> list[list[int]]:
    """The true counts in the joined rows and columns of a table."""
    if not table.rows:
        return []
    return [
        [sum(counts[i][j] for i in rows for j in columns) for columns in spans(table.columns)]
        for rows in spans(table.rows)
    ]


def spans(labels: Sequence[str]) -> list[range]:
    """What `r1 … r3` stands for."""
    ends = [(label.split(" … ")[0], label.split(" … ")[-1]) for label in labels]
    return [range(int(first[1:]), int(last[1:]) + 1) for first, last in ends]


def test_a_table_that_hiding_does_not_protect_is_made_coarser() -> None:
    """The control: of its totals alone, 28 + 38 - 60 = 6 people at least are in the first cell."""
    counts = [[8, 20], [30, 2]]
    assert hidden_cells(counts) is None
    table = protected(counts)
    assert (table.rows, table.columns, table.counts) == (("r0", "r1"), ("c0 … c1",), ((28,), (32,)))


@settings(max_examples=200, deadline=None)
@given(TABLES)
def test_nobody_is_lost(counts: list[list[int]]) -> None:
    people = sum(map(sum, counts))
    table = protected(counts)
    assert sum(table.row_totals) == sum(table.column_totals) == (people if people >= LEAST else 0)


def test_one_small_cell_takes_others_with_it() -> None:
    """The control: with the small cell alone hidden, the totals give it away."""
    counts = [[100, 50, 3], [80, 60, 40]]
    table = protected(counts)
    hidden = [(i, j) for i, row in enumerate(table.counts) for j, n in enumerate(row) if n is None]
    assert (0, 2) in hidden
    assert len(hidden) >= 4
    assert bounds(table, 0, 2)[0] == 0
    assert table.row_totals[0] - counts[0][0] - counts[0][1] == 3  # what it would have told


def test_tables_without_small_cells_stay_whole() -> None:
    assert hidden_cells([[10, 0], [0, 99]]) == set()
    assert protected([[10, 0], [0, 99]]).counts == ((10, 0), (0, 99))


def test_small_groups_are_joined_with_a_neighbour() -> None:
    table = protected([[500, 500], [2, 1], [400, 300]])
    assert table.rows == ("r0", "r1 … r2")
    assert protected([[3, 3], [2, 1]]).rows == ()
