"""Tests reach this machine alone."""

from __future__ import annotations

import socket

import httpx
import pytest
from pytest_socket import SocketConnectBlockedError

from demo.servers import free_port


def test_another_machine_is_out_of_reach() -> None:
    blocked = (SocketConnectBlockedError, UserWarning)  # it warns first, and warnings are errors
    with socket.socket() as probe, pytest.raises(blocked):
        probe.connect(("192.0.2.1", 80))
    with pytest.raises(blocked):
        httpx.get("http://192.0.2.1/", timeout=1, trust_env=False)


def test_this_machine_is_in_reach() -> None:
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", free_port()))
