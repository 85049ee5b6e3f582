"""The sandbox as a web application: outside routes, control routes, faults in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask, Response, g, request

from wechat_integration.sandbox.bill_routes import bill_routes
from wechat_integration.sandbox.control_routes import control_routes
from wechat_integration.sandbox.faults import FaultKind, spoilt_answer
from wechat_integration.sandbox.pay_routes import pay_routes
from wechat_integration.sandbox.realname_routes import realname_routes
from wechat_integration.sandbox.sms_routes import sms_routes
from wechat_integration.sandbox.wechat_routes import wechat_routes
from wechat_integration.sandbox.world import World

if TYPE_CHECKING:
    from wechat_integration.sandbox.settings import SandboxSettings

MAX_REQUEST_BYTES = 1_000_000
_CONTROL = "/sandbox/"


def create_sandbox(*, settings: SandboxSettings) -> Flask:
    """Return a sandbox with an empty memory."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    world = World(settings=settings)
    app.register_blueprint(wechat_routes(world))
    app.register_blueprint(realname_routes(world))
    app.register_blueprint(sms_routes(world))
    app.register_blueprint(pay_routes(world))
    app.register_blueprint(bill_routes(world))
    app.register_blueprint(control_routes(world))
    _add_faults(app, world)
    return app


def _add_faults(app: Flask, world: World) -> None:
    @app.before_request
    def meet_fault() -> Response | None:
        g.spoil = None
        if request.path.startswith(_CONTROL):
            return None
        with world.lock:
            world.calls[request.path] += 1
        return _meet(world)

    @app.after_request
    def spoil(answer: Response) -> Response:
        return answer if g.spoil is None else spoilt_answer(g.spoil)


def _meet(world: World) -> Response | None:
    fault = world.faults.take(request.path)
    if fault is None:
        return None
    if fault.kind is FaultKind.HANG:
        world.faults.hang(fault.seconds)
        return None
    if fault.takes_effect:
        g.spoil = fault.kind
        return None
    return spoilt_answer(fault.kind)
