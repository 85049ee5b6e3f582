"""For every route a request that works, made anew for each call: ids are used once.

`request_for` fails for a route that nobody wrote one for; a route without input needs none.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

import psycopg

from app.households import operations as households
from app.kernel.documents import DocumentFormat
from app.kernel.ids import new_id
from app.members import operations
from app.members.operations import NewCredential
from app.records import editing
from app.records.catalogue import read_catalogue_file
from app.records.operations import DeliveryRequest, register_source
from app.records.reading import Encoding
from app.scoring.operations import take_delivery
from app.scoring.recomputations import finish_running, start_recomputation
from app.scoring.version_queries import VersionName
from app.trail.operations import SYSTEM
from app.web.auth import Role
from tests.contract.complaints import COMPLAINTS
from tests.contract.counter import COUNTER, joining
from tests.contract.deaths import DEATHS
from tests.contract.libraries import LIBRARIES
from tests.contract.merchants import MERCHANTS
from tests.contract.objections import OBJECTIONS
from tests.contract.offline import OFFLINE
from tests.contract.orders import ORDERS, Made, bound
from tests.contract.oversight import OVERSIGHT
from tests.contract.repairs import REPAIRS
from tests.contract.rights import LEAVE, RIGHTS, forget_copies, somebody_new
from tests.contract.settling import SETTLING
from tests.contract.sources import SOURCES
from tests.contract.trail import TRAIL
from tests.contract.transit import TRANSIT
from tests.contract.webhooks import WEBHOOKS
from tests.contract.world import SignedIn, World, claim, hours_file, sent
from tests.house.routes import PUBLIC, Route
from tests.members.api import (
    PASSWORD,
    Account,
    claims_of,
    join,
    join_body,
    keys_of,
    made_up_person,
    make_staff,
)
from tests.members.people import made_up_member
from tests.members.signing import sign
from tests.records.programme import HOURS, csv_file, header
from tests.redemptions.builders import API, publish_benefit
from tests.scoring.drafts import NOTICE, finish_dry_run, later_text
from tests.trail.assessed import assessed
from wechat_integration.sandbox.control import SandboxControl

REASON = "本人到窗口核对"


@dataclass(frozen=True)
class Real:
    """The parts of a request."""

    body: dict[str, Any] | None = None
    path: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """Everything that has a name."""
        return {**(self.body or {}), **self.path, **self.query}


SIGNED_ONLY = {("POST", f"{API}/source/credentials")}
Maker = Callable[[World, SandboxControl], Real]


def request_for(world: World, sandbox: SandboxControl, route: Route) -> Real:
    """A request to this route that works for its role."""
    maker = MAKERS.get((route.method, route.rule.removeprefix(API)))
    if maker is None:
        assert not re.search(r"[<{]", route.rule), f"{route.rule} has no request that works"
        return Real()
    return maker(world, sandbox)


def caller_of(
    world: World, route: Route, role: str | None = None, *, target: str = "", body: bytes = b""
) -> dict[str, str]:
    """What a caller who may do it sends; of what must be signed, for this target and body."""
    if route.roles == (PUBLIC,):
        return {}
    who = world.ours.callers[Role(role or route.roles[0])]
    if route.rule == LEAVE:
        return somebody_new(world).headers
    if (route.method, route.rule) in SIGNED_ONLY:
        return sign(_fresh_source(world), route.method, target or route.rule, body).headers
    return who.refresh_headers if route.rule.endswith("/tokens/refresh") else who.headers


def _assessment(_: World) -> dict[str, Any]:
    return {
        "assessment_id": str(new_id()), "kind": "scoring", "title": "评分规则影响评估",
        "concluded_on": "2026-10-01", "document_hash": "5e" * 32, "summary": "影响可控。",
        "reason": "评估报告已通过评审",
    }


def _registered(world: World, _: SandboxControl) -> Real:
    made = sent(world.client, "/impact-assessments", _assessment(world), _another_operator(world))
    return Real(path={"assessment_id": made["assessment_id"]}, body={"reason": "评估属实，同意"})


def _scheme(world: World) -> dict[str, Any]:
    with world.app.app_context():
        assessment_id = assessed("scoring")
    return {"document": later_text(), "assessment_id": str(assessment_id), "reason": REASON}


def _another_operator(world: World) -> dict[str, str]:
    return world.theirs.callers[Role.OPERATOR].headers


def _proposed(world: World) -> dict[str, str]:
    """What another operator has proposed: its place in addresses."""
    made = sent(world.client, "/schemes", _scheme(world), _another_operator(world))
    return {"code": made["code"], "version": made["version"]}


def _noticed(world: World) -> dict[str, str]:
    path = _proposed(world)
    address = f"/schemes/{path['code']}/{path['version']}/notice"
    sent(world.client, address, _notice(), _another_operator(world))
    return path


def _of_noticed(body: dict[str, Any] | None = None) -> Maker:
    return lambda world, _: Real(path=_noticed(world), body=body)


def _notice() -> dict[str, Any]:
    return {"notice": NOTICE, "reason": "公告已经审核"}


def _tried(world: World) -> tuple[dict[str, str], str]:
    path = _noticed(world)
    with world.app.app_context():
        dry_run_id = finish_dry_run(VersionName(**path))
    return path, str(dry_run_id)


def _confirmation(world: World, _: SandboxControl) -> Real:
    path, dry_run_id = _tried(world)
    return Real(path=path, body={"dry_run_id": dry_run_id, "reason": "已审阅试算结果"})


def _of_dry_run(world: World, _: SandboxControl) -> Real:
    return Real(path={"dry_run_id": _tried(world)[1]})


def _of_draft(make: Callable[[], dict[str, Any]] | None = None) -> Maker:
    return lambda world, _: Real(path=_proposed(world), body=make() if make else None)


def _of_body(make: Callable[[World], dict[str, Any]]) -> Maker:
    return lambda world, _: Real(body=make(world))


def _of_person(**more: Any) -> Maker:
    return _of_body(
        lambda world: {"citizen_id": str(world.theirs.citizen.subject_id), "reason": REASON, **more}
    )


def _of_voucher(world: World, _: SandboxControl) -> Real:
    voucher_id = claim(world.client, world.ours.citizen, world.benefit_code)
    return Real(path={"voucher_id": str(voucher_id)})


def _of_refused(world: World, _: SandboxControl) -> Real:
    """A delivery of ours with a refused row."""
    body = _rows(world)
    sent(world.client, "/deliveries/rows", body, world.ours.callers[Role.SOURCE].headers)
    world.work_off_line()
    return Real(path={"delivery_id": str(body["delivery_id"])})


def _of_delivery(world: World, _: SandboxControl) -> Real:
    return Real(path={"delivery_id": str(world.ours.delivery_id)})


def _of_waiting_delivery(world: World, _: SandboxControl) -> Real:
    return Real(path={"delivery_id": str(world.wait_in_line())})


def _of_staff(world: World, _: SandboxControl) -> Real:
    return Real(path={"staff_id": str(_fresh_staff(world).staff_id)})


def _fresh_staff(world: World) -> Account:
    return make_staff(world.app, "clerk")


def voucher_code(world: World) -> str:
    citizen = world.ours.citizen
    voucher_id = claim(world.client, citizen, world.benefit_code)
    shown = world.client.get(f"{API}/me/vouchers/{voucher_id}/code", headers=citizen.headers)
    return str(shown.get_json()["code"])


def _redeem(world: World) -> dict[str, Any]:
    return {
        "redemption_id": str(new_id()), "shop_id": str(world.ours.shop_id),
        "code": voucher_code(world),
    }


def _preview(world: World) -> dict[str, Any]:
    code = sent(world.client, "/me/pass-code", {}, world.ours.citizen.headers)["code"]
    return {"shop_id": str(world.ours.shop_id), "code": code}


def _annul(world: World) -> dict[str, Any]:
    done = sent(world.client, "/redemptions", _redeem(world), world.ours.clerk.headers)
    return {
        "annulment_id": str(new_id()), "shop_id": str(world.ours.shop_id),
        "receipt": done["receipt"],
    }


def _delivery(world: World) -> dict[str, Any]:
    return {
        "delivery_id": str(new_id()), "record_type": HOURS, "delivered_on": "2026-06-12",
        "encoding": "utf-8", "file": hours_file(),
    }


def _rows(world: World) -> dict[str, Any]:
    return {
        "delivery_id": str(new_id()), "record_type": HOURS, "delivered_on": "2026-06-12",
        "rows": [dict.fromkeys(header(HOURS), "x")],
    }


def _register(world: World) -> dict[str, Any]:
    person = made_up_member()
    line = [person.name, person.id_number, str(person.phone), person.joined_on.isoformat()]
    return {
        "delivery_id": str(new_id()), "delivered_on": "2026-06-12", "encoding": "utf-8",
        "file": csv_file("members", line),
    }


def _staff_sign_in(world: World) -> dict[str, Any]:
    account = _fresh_staff(world)
    return {"username": account.username, "password": PASSWORD, "totp": account.code()}


def _source_sign_in(world: World) -> dict[str, Any]:
    credential = world.ours.callers[Role.SOURCE].credential
    assert credential is not None
    return {"credential_id": str(credential.credential_id), "secret": credential.secret}


def _fresh_source(world: World) -> NewCredential:
    with world.app.app_context():
        return register_source(
            keys=keys_of(world.app), source_id=new_id(), unit=f"单位 {new_id()}",
            record_types=[HOURS],
        )


def _of_source(world: World, _: SandboxControl) -> Real:
    return Real(path={"source_id": str(_fresh_source(world).source_id)})


def _change_quota(world: World, sandbox: SandboxControl) -> Real:
    body = {"deliveries_per_day": 10, "bytes_per_day": 10**9, "rows_per_day": 10**6}
    return replace(_of_source(world, sandbox), body=body)


def _end_credential(world: World, _: SandboxControl) -> Real:
    made = _fresh_source(world)
    path = {"source_id": str(made.source_id), "credential_id": str(made.credential_id)}
    return Real(body={"ends_at": None}, path=path)


def _end_mine(world: World, _: SandboxControl) -> Real:
    """Those that were made for a request that was then refused are ended first."""
    with world.app.app_context():
        source = world.ours.callers[Role.SOURCE]
        source_id = source.subject_id
        assert source.credential is not None
        for one in operations.list_source_credentials(source_id=source_id):
            if one.credential_id != source.credential.credential_id:
                operations.end_source_credential(credential_id=one.credential_id)
        made = operations.renew_source_credential(
            keys=keys_of(world.app), actor=SYSTEM, source_id=source_id
        )
    return Real(body={"ends_at": None}, path={"credential_id": str(made.credential_id)})


def _wechat_sign_in(world: World, sandbox: SandboxControl) -> Real:
    person = made_up_person(sandbox)
    return Real(body={"code": sandbox.issue_login_code(openid=person.openid)})


def _copy(world: World, sandbox: SandboxControl) -> Real:
    bound(world)
    citizen_id = world.ours.citizen.subject_id
    with world.app.app_context():
        forget_copies(citizen_id)
    code = sandbox.issue_login_code(openid=f"openid-of-{citizen_id}")
    return Real(body={"copy_id": str(new_id()), "code": code})


def _join(world: World, sandbox: SandboxControl) -> Real:
    return Real(body=join_body(world.client, sandbox, made_up_person(sandbox)))


def _unbind(world: World, sandbox: SandboxControl) -> Real:
    tokens = join(world.client, sandbox, made_up_person(sandbox)).get_json()
    citizen_id = claims_of(tokens["access_token"])["sub"]
    return Real(body={"citizen_id": citizen_id, "reason": REASON})


def _reveal_row(world: World, _: SandboxControl) -> Real:
    """A row about a member, in a delivery of its own."""
    person, delivery_id = world.ours.person, new_id()
    row = [f"ZY-{delivery_id}", "1", "有效", person.id_number, "2026-05-02", "2", "河道清洁"]
    request = DeliveryRequest(
        delivery_id=delivery_id, record_type=HOURS, delivered_on=date(2026, 6, 12),
        encoding=Encoding.UTF_8, file_name="file.csv",
        source_id=world.ours.callers[Role.SOURCE].subject_id,
    )
    with world.app.app_context():
        take_delivery(
            keys=world.app.extensions["card_keys"], request=request,
            file=io.BytesIO(csv_file(HOURS, row)),
        )
    world.work_off_line()
    return Real(
        body={"reason": REASON}, path={"delivery_id": str(delivery_id), "row_number": "2"}
    )


def _recomputation(world: World, _: SandboxControl) -> Real:
    """One that is known: its id changes nothing any more."""
    with world.app.app_context():
        finish_running()
        made = start_recomputation(recomputation_id=new_id())
        assert made is not None
        finish_running()
    return Real(body={"recomputation_id": str(made.recomputation_id)})


def _catalogue_document() -> str:
    text = read_catalogue_file("jinhua")
    return text.replace('version = "2026.1"', f'version = "{new_id().hex[-12:]}"')


def _withdraw_open_proposals(world: World) -> None:
    with world.app.app_context():
        for one in editing.list_proposals(limit=5):
            if one.state == editing.OPEN:
                editing.withdraw_catalogue(
                    proposal_id=one.proposal_id, staff_id=one.proposed_by, reason=REASON
                )


def _catalogue_proposal(world: World) -> dict[str, Any]:
    _withdraw_open_proposals(world)
    return {
        "proposal_id": str(new_id()), "document": _catalogue_document(), "format": "toml",
        "reason": "增加来源单位",
    }


def _of_proposal(world: World, body: dict[str, Any] | None = None) -> Real:
    """A proposal of the other operator's."""
    _withdraw_open_proposals(world)
    proposal_id = new_id()
    with world.app.app_context():
        editing.propose_catalogue(
            proposal_id=proposal_id, document=_catalogue_document(), form=DocumentFormat.TOML,
            staff_id=world.theirs.callers[Role.OPERATOR].subject_id, reason="增加来源单位",
        )
    return Real(body=body, path={"proposal_id": str(proposal_id)})


def _publication(world: World, _: SandboxControl) -> Real:
    """Something that the worker has published."""
    web_url = world.app.extensions["card_settings"].database_url
    with psycopg.connect(web_url.replace("card_web", "card_job")) as worker:
        worker.execute(
            "INSERT INTO publications VALUES ('figures', '2026-06-30', '2026-06-30', '{}')"
            " ON CONFLICT DO NOTHING"
        )
    return Real(path={"kind": "figures", "edition": "2026-06-30"})


def _alone(world: World, who: SignedIn) -> None:
    with world.app.app_context():
        households.leave_household(citizen_id=who.subject_id)


def _head(world: World, who: SignedIn) -> None:
    _alone(world, who)
    with world.app.app_context():
        households.form_household(
            keys=keys_of(world.app), citizen_id=who.subject_id, text_version=1
        )


def _as_head(body: dict[str, Any] | None = None) -> Maker:
    def make(world: World, _: SandboxControl) -> Real:
        _head(world, world.ours.citizen)
        return Real(body=body)

    return make


def _with_code(**more: int) -> Maker:
    def make(world: World, _: SandboxControl) -> Real:
        _alone(world, world.ours.citizen)
        _head(world, world.theirs.citizen)
        with world.app.app_context():
            invitation = households.invite_adult(citizen_id=world.theirs.citizen.subject_id)
        return Real(body={"code": invitation.code, **more})

    return make


def _new_village_code() -> str:
    return f"3307{new_id().int % 10**8:08d}"


def _village(world: World, _: SandboxControl) -> Real:
    village_code = _new_village_code()
    with world.app.app_context():
        households.add_village(village_code=village_code, name="上河村")
    return Real(body={"village_code": village_code})


def _of_order(make: Callable[[World], Made]) -> Maker:
    return lambda world, _: Real(*make(world))


ROOMS = (
    ORDERS, OFFLINE, SOURCES, TRANSIT, LIBRARIES, MERCHANTS, COMPLAINTS, SETTLING, WEBHOOKS,
    OBJECTIONS, REPAIRS, RIGHTS, TRAIL, COUNTER, DEATHS, OVERSIGHT,
)  # fmt: skip
MAKERS: dict[tuple[str, str], Maker] = {
    **{route: _of_order(make) for room in ROOMS for route, make in room.items()},
    ("GET", "/villages"): lambda *_: Real(query={"after": "3307", "limit": 2}),
    ("POST", "/villages"): _of_body(
        lambda _: {"village_code": _new_village_code(), "name": "上河村"}
    ),
    ("PUT", "/me/village"): _village,
    ("POST", "/me/ranks"): _of_body(lambda _: {"text_version": 1}),
    ("GET", "/me/household"): _as_head(),
    ("POST", "/me/household"): _as_head({"text_version": 1}),
    ("POST", "/me/household/invitations"): _as_head(),
    ("PUT", "/me/household/consent"): _as_head({"text_version": 1}),
    ("POST", "/me/household/invitation"): _with_code(),
    ("POST", "/me/household/join"): _with_code(text_version=1),
    ("GET", "/publications/<string:kind>/<string:edition>.json"): _publication,
    ("GET", "/publications/<string:kind>/<string:edition>.jws"): _publication,
    ("POST", "/impact-assessments"): _of_body(_assessment),
    ("POST", "/impact-assessments/<uuid:assessment_id>/confirmation"): _registered,
    ("POST", "/schemes"): _of_body(_scheme),
    ("GET", "/schemes/<string:code>/<string:version>"): _of_noticed(),
    ("POST", "/schemes/<string:code>/<string:version>/notice"): _of_draft(_notice),
    ("POST", "/schemes/<string:code>/<string:version>/confirmation"): _confirmation,
    ("POST", "/schemes/<string:code>/<string:version>/withdrawal"): _of_draft(
        lambda: {"reason": "文本有误，另行提交"}
    ),
    ("POST", "/schemes/<string:code>/<string:version>/dry-runs"): _of_draft(
        lambda: {"dry_run_id": str(new_id()), "reason": "评估新规则的影响"}
    ),
    ("GET", "/scheme-proposals/<string:code>/<string:version>"): _of_draft(),
    ("GET", "/scheme-proposals/<string:code>/<string:version>/comments"): _of_draft(),
    ("POST", "/schemes/<string:code>/<string:version>/comments"): _of_noticed(
        {"comment_id": str(new_id()), "comment": "希望公布各项指标的调整理由。"}
    ),
    ("GET", "/scheme-dry-runs/<uuid:dry_run_id>"): _of_dry_run,
    ("GET", "/scheme-dry-runs/<uuid:dry_run_id>/page"): _of_dry_run,
    ("GET", "/scheme-dry-runs/<uuid:dry_run_id>/figures.csv"): _of_dry_run,
    ("GET", "/docs/<file>"): lambda *_: Real(path={"file": "start.js"}),
    ("GET", "/problems/<code>"): lambda *_: Real(path={"code": "not_found"}),
    ("GET", "/me/trail"): lambda *_: Real(query={"limit": 2}),
    ("GET", "/me/points/entries"): lambda *_: Real(query={"limit": 2, "before_version": 3}),
    ("GET", "/me/score"): lambda *_: Real(query={"as_of": "2026-06-30"}),
    ("GET", "/me/score/explanation"): lambda *_: Real(
        query={"as_of": "2026-06-30", "after_line": 0, "limit": 2}
    ),
    ("GET", "/me/vouchers"): lambda world, _: Real(
        query={"limit": 2, "before": str(world.ours.voucher_id)}
    ),
    ("POST", "/me/vouchers"): _of_body(
        lambda world: {"voucher_id": str(new_id()), "benefit_code": world.benefit_code}
    ),
    ("POST", "/me/benefits/<string:benefit_code>/statements"): lambda world, _: Real(
        path={"benefit_code": publish_benefit(
            world.app, kind="statement", consent_purpose="library",
            values={"baseline": {"tier_statement": True}},
        )}
    ),
    ("GET", "/benefits/<string:benefit_code>/slots"): lambda world, _: Real(
        path={"benefit_code": world.benefit_code}
    ),
    ("GET", "/me/benefits/<string:benefit_code>"): lambda world, _: Real(
        path={"benefit_code": world.benefit_code}
    ),
    ("GET", "/me/vouchers/<uuid:voucher_id>/code"): _of_voucher,
    ("GET", "/me/vouchers/<uuid:voucher_id>/code.png"): _of_voucher,
    ("GET", "/me/vouchers/<uuid:voucher_id>/code.svg"): _of_voucher,
    ("POST", "/me/vouchers/<uuid:voucher_id>/manual-code"): _of_voucher,
    ("POST", "/me/vouchers/<uuid:voucher_id>/give-back"): _of_voucher,
    ("GET", "/redemptions"): lambda world, _: Real(query={"shop_id": str(world.ours.shop_id)}),
    ("POST", "/redemptions"): _of_body(_redeem),
    ("POST", "/redemptions/preview"): _of_body(_preview),
    ("POST", "/redemptions/annulments"): _of_body(_annul),
    ("GET", "/information-catalogue"): lambda *_: Real(query={"version": "2026.1"}),
    ("GET", "/information-catalogue/table"): lambda *_: Real(query={"version": "2026.1"}),
    ("POST", "/catalogue-proposals"): _of_body(_catalogue_proposal),
    ("GET", "/catalogue-proposals/<uuid:proposal_id>"): lambda world, _: _of_proposal(world),
    ("POST", "/catalogue-proposals/<uuid:proposal_id>/confirm"): lambda world, _: _of_proposal(
        world, {"reason": "核对无误，同意发布"}
    ),
    ("POST", "/catalogue-proposals/<uuid:proposal_id>/withdraw"): lambda world, _: _of_proposal(
        world, {"reason": "暂时不需要变更"}
    ),
    ("POST", "/deliveries"): _of_body(_delivery),
    ("POST", "/deliveries/rows"): _of_body(_rows),
    ("GET", "/deliveries/<uuid:delivery_id>"): _of_delivery,
    ("GET", "/deliveries/<uuid:delivery_id>/refusals"): _of_delivery,
    ("GET", "/deliveries/<uuid:delivery_id>/refusals.csv"): _of_refused,
    ("GET", "/deliveries/<uuid:delivery_id>/refusals.xlsx"): _of_refused,
    ("POST", "/score-recomputations"): _recomputation,
    ("GET", "/score-recomputations/<uuid:recomputation_id>"): lambda world, sandbox: Real(
        path=_recomputation(world, sandbox).body or {}
    ),
    ("POST", "/deliveries/<uuid:delivery_id>/cancellation"): _of_waiting_delivery,
    ("GET", "/deliveries/<uuid:delivery_id>/rows/<int:row_number>"): lambda world, _: Real(
        path={"delivery_id": str(world.ours.delivery_id), "row_number": "2"}
    ),
    ("POST", "/deliveries/<uuid:delivery_id>/rows/<int:row_number>/reveal"): _reveal_row,
    ("POST", "/register-imports"): _of_body(_register),
    ("POST", "/reopened-days"): _of_body(
        lambda _: {"delivered_on": "2026-06-01", "reason": "补报漏报文件"}
    ),
    ("POST", "/sources"): _of_body(
        lambda _: {
            "source_id": str(new_id()), "unit": f"单位 {new_id()}", "record_types": [HOURS],
        }
    ),
    ("POST", "/sources/token"): _of_body(_source_sign_in),
    ("GET", "/sources/<uuid:source_id>/quota"): _of_source,
    ("POST", "/sources/<uuid:source_id>/quota"): _change_quota,
    ("GET", "/sources/<uuid:source_id>/credentials"): _of_source,
    ("POST", "/sources/<uuid:source_id>/credentials"): _of_source,
    ("POST", "/sources/<uuid:source_id>/credentials/<uuid:credential_id>/end"): _end_credential,
    ("POST", "/source/credentials/<uuid:credential_id>/end"): _end_mine,
    ("POST", "/sign-in/staff"): _of_body(_staff_sign_in),
    ("POST", "/sign-in/wechat"): _wechat_sign_in,
    ("POST", "/join"): _join,
    ("POST", "/counter/joinings"): lambda world, sandbox: Real(*joining(world, sandbox)),
    ("POST", "/me/copies"): _copy,
    ("POST", "/staff"): _of_body(
        lambda _: {
            "username": f"li.na-{new_id()}", "password": PASSWORD, "role": "clerk",
            "display_name": "一号窗口",
        }
    ),
    ("POST", "/staff/<uuid:staff_id>/disable"): _of_staff,
    ("POST", "/staff/<uuid:staff_id>/end-sessions"): _of_staff,
    ("POST", "/members/find"): _of_body(
        lambda world: {"id_number": world.theirs.person.id_number, "reason": REASON}
    ),
    ("POST", "/members/reveal"): _of_person(fields=["name", "id_number", "phone"]),
    ("POST", "/members/end-sessions"): _of_person(),
    ("POST", "/members/unbind-wechat"): _unbind,
    ("POST", "/benefit-merchants"): _of_body(
        lambda world: {
            "benefit_code": publish_benefit(world.app),
            "merchant_id": str(world.theirs.merchant_id),
        }
    ),
}
