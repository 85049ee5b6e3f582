"""CPU time of process trees, from the operating system's accounting."""

from __future__ import annotations

import psutil


def tree_cpu_seconds(pid: int) -> float:
    """User and system seconds of a process, its living descendants, and its reaped children."""
    total = 0.0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue  # ended between the listing and the look: its parent has reaped its time
        total += times.user + times.system
        total += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return total


def children_cpu_seconds(pid: int) -> dict[int, float]:
    """User and system seconds per direct child, to see whether workers shared the load."""
    found = {}
    for child in psutil.Process(pid).children():
        times = child.cpu_times()
        found[child.pid] = times.user + times.system
    return found
