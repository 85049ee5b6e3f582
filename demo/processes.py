"""Processes that are started, watched, started again when they die, and never left behind."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from honcho.environ import parse_procfile

ROOT = Path(__file__).parent.parent
STOP_SECONDS_MAX = 15
WATCH_SECONDS = 0.1
RESTARTS_MAX = 5
RESTART_WINDOW_SECONDS = 10.0  # more than RESTARTS_MAX within it: something is wrong


class ProcessFailedError(RuntimeError):
    """A process dies as often as it is started; the end of its log is in the message."""


def procfile_command(name: str, environment: dict[str, str]) -> list[str]:
    """The command of the Procfile with this name, its variables filled in."""
    written = parse_procfile((ROOT / "Procfile").read_text(encoding="utf-8")).processes[name]
    words = shlex.split(written)
    filled = [environment[word[1:]] if word.startswith("$") else word for word in words]
    beside = Path(sys.executable).with_name(filled[0])
    return [str(beside if beside.exists() else filled[0]), *filled[1:]]


@dataclass
class Managed:
    """One process of the Procfile with its log."""

    name: str
    environment: dict[str, str] = field(repr=False)
    log_file: Path
    restarts: int = 0
    wanted: bool = True
    _process: subprocess.Popen[bytes] | None = None
    _deaths: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_MAX + 1))

    def start(self) -> None:
        """Start the process in a group of its own."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                procfile_command(self.name, self.environment),
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id; of gunicorn, its master's."""
        if self._process is None:
            message = f"{self.name} was not started"
            raise ProcessFailedError(message)
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the process alone; a watched one is started again when it dies."""
        os.kill(self.pid, number)

    def start_again(self) -> None:
        """Start the dead process again; ProcessFailedError when it died too often lately."""
        self._deaths.append(time.monotonic())
        often = len(self._deaths) > RESTARTS_MAX
        if often and self._deaths[-1] - self._deaths[0] < RESTART_WINDOW_SECONDS:
            raise ProcessFailedError(self.last_words())
        self._end_group()
        self.restarts += 1
        self.start()

    def last_words(self) -> str:
        """The end of the log."""
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        return f"{self.name} does not stay up; the end of {self.log_file}:\n" + "\n".join(
            lines[-15:]
        )

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        self.wanted = False
        if self.is_alive():
            self.kill(signal.SIGTERM)

    def stop(self) -> int:
        """Wait for the end, force it when it takes long; the exit status."""
        self.ask_to_stop()
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout=STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return -signal.SIGKILL
        finally:
            self._end_group()
            self._process.wait()

    def _end_group(self) -> None:
        """Kill what the process may have left, such as gunicorn's workers."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


class Watch:
    """Starts dead processes again until it is stopped, or one dies too often."""

    def __init__(self, processes: list[Managed]) -> None:
        self._processes = processes
        self._stopped = threading.Event()
        self.failure: ProcessFailedError | None = None
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until watching ends; the failure of a process is raised."""
        self._stopped.wait(seconds)
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """End watching; nothing is started again after this returns."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._stopped.wait(WATCH_SECONDS):
            for process in self._processes:
                if process.wanted and not process.is_alive():
                    try:
                        process.start_again()
                    except ProcessFailedError as failure:
                        self.failure = failure
                        self._stopped.set()
                        return
