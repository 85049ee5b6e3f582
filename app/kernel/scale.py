"""How each table grows past one machine; every room lists its tables beside its models.

Citus distributes the citizen-owned tables by citizen_id and copies the reference tables to every
node; the rest stays on the coordinator.
"""

from enum import Enum


class TableKind(Enum):
    """Where a table lives on a cluster."""

    CITIZEN = "citizen"  # distributed by citizen_id, which leads its keys
    LOOKUP = "lookup"  # distributed by what is looked up, its first key column
    REFERENCE = "reference"  # small, read by all, written rarely, no counters
    LOCAL = "local"  # programme-level, many writes, in no hot transaction
