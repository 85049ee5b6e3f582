"""What a process of ours must not leave behind."""

from __future__ import annotations

import resource


def leave_no_core() -> None:
    """Let a crash write no image of the memory: personal data and keys stand in it.

    It holds for the processes this one starts too, and cannot be taken back (`setrlimit(2)`).
    systemd-coredump and apport, which are handed the image by the kernel, keep none either then.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
