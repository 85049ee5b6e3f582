"""A real sandbox on a loopback port for every test of this folder; nothing of HTTP is faked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from wechat_integration.client import MiniProgramClient
from wechat_integration.realname import HttpRealNameProvider
from wechat_integration.sandbox.control import SandboxControl
from wechat_integration.sandbox.server import SandboxServer
from wechat_integration.sandbox.settings import SandboxSettings
from wechat_integration.transport import CallLimits

QUICK = CallLimits(connect_seconds=0.3, read_seconds=0.4, total_seconds=0.6)


@pytest.fixture(scope="session")
def settings() -> SandboxSettings:
    return SandboxSettings()


@pytest.fixture(scope="session")
def base_url(settings: SandboxSettings) -> Iterator[str]:
    with SandboxServer(settings=settings) as server:
        yield server.base_url


@pytest.fixture(scope="session")
def remote(base_url: str) -> Iterator[SandboxControl]:
    with SandboxControl(base_url=base_url) as open_remote:
        yield open_remote


@pytest.fixture
def control(remote: SandboxControl) -> Iterator[SandboxControl]:
    remote.reset()
    yield remote
    remote.clear_faults()


@pytest.fixture
def make_client(
    base_url: str, settings: SandboxSettings, control: SandboxControl
) -> Iterator[Callable[..., MiniProgramClient]]:
    """Build clients of the sandbox; arguments replace the right ones."""
    with ExitStack() as open_clients:

        def make(**changes: object) -> MiniProgramClient:
            arguments: dict[str, object] = {
                "app_id": settings.app_id,
                "app_secret": settings.app_secret,
                "base_url": base_url,
                **changes,
            }
            return open_clients.enter_context(MiniProgramClient(**arguments))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def client(make_client: Callable[..., MiniProgramClient]) -> MiniProgramClient:
    return make_client()


@pytest.fixture
def quick_client(make_client: Callable[..., MiniProgramClient]) -> MiniProgramClient:
    return make_client(limits=QUICK)


@pytest.fixture
def make_provider(
    base_url: str, settings: SandboxSettings, control: SandboxControl
) -> Iterator[Callable[..., HttpRealNameProvider]]:
    """Build real-name providers of the sandbox; arguments replace the right ones."""
    with ExitStack() as open_providers:

        def make(**changes: object) -> HttpRealNameProvider:
            arguments: dict[str, object] = {
                "base_url": base_url,
                "key_id": settings.realname_key_id,
                "key": settings.realname_key.encode(),
                **changes,
            }
            provider = HttpRealNameProvider(**arguments)  # type: ignore[arg-type]
            return open_providers.enter_context(provider)

        yield make


@pytest.fixture
def provider(make_provider: Callable[..., HttpRealNameProvider]) -> HttpRealNameProvider:
    return make_provider()
