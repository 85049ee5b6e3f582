"""The members' routes.  Signing in and joining by WeChat stand in the wechat room."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.members import operations, queries, schemas, token_waivers
from app.web import limits
from app.web.auth import (
    ACCESS_LIFE,
    Role,
    allow,
    allow_refresh,
    caller,
    is_signed,
    issue_tokens,
    public,
)
from app.web.keys import key_provider
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("members", __name__, url_prefix=API_PREFIX)


def tokens_of(opened: operations.OpenedSession) -> dict[str, Any]:
    """The tokens of a session that has just been opened or refreshed."""
    pair = issue_tokens(
        role=Role(opened.role),
        subject_id=opened.subject_id,
        session_id=opened.session_id,
        refresh_id=opened.refresh_id,
        refresh_life=opened.life,
    )
    return {
        "role": opened.role,
        "access_token": pair.access_token,
        "access_seconds": int(min(ACCESS_LIFE, opened.life).total_seconds()),
        "refresh_token": pair.refresh_token,
        "refresh_seconds": int(opened.life.total_seconds()),
    }


def acting() -> operations.Actor:
    """The caller as an actor of the trail."""
    return operations.Actor(caller().role, caller().subject_id)


@blueprint.route("/sign-in/staff", methods=["POST"])
@public
@limits.per_address("60/minute")
@blueprint.arguments(schemas.StaffSignIn)
@blueprint.response(200, schemas.Tokens)
@blueprint.refuses(401)
def sign_in_staff(body: dict[str, Any]) -> dict[str, Any]:
    """Sign in a clerk, merchant owner or operator."""
    return tokens_of(
        operations.sign_in_staff(keys=key_provider(), client=limits.client_address(), **body)
    )


@blueprint.route("/sources/token", methods=["POST"])
@public
@limits.per_address("60/minute")
@blueprint.arguments(schemas.SourceSignIn)
@blueprint.response(200, schemas.Tokens)
@blueprint.refuses(401, 403)
def sign_in_source(body: dict[str, Any]) -> dict[str, Any]:
    """Sign in a department's machine from before signing was the rule."""
    return tokens_of(operations.sign_in_source(keys=key_provider(), **body))


@blueprint.route("/sources/<uuid:source_id>/credentials", methods=["POST"])
@allow(Role.OPERATOR, signed_in_lately=True)
@limits.per_caller("60/hour")
@blueprint.response(201, schemas.NewCredential)
@blueprint.refuses(404, 409)
def make_source_credential(source_id: UUID) -> operations.NewCredential:
    """Another credential for a source; the ones before stay good until they are ended."""
    return operations.renew_source_credential(
        keys=key_provider(), actor=acting(), source_id=source_id
    )


@blueprint.route("/sources/<uuid:source_id>/credentials", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.Credentials)
@blueprint.refuses(404)
def list_source_credentials(source_id: UUID) -> dict[str, Any]:
    """The credentials of a source."""
    return {"credentials": operations.list_source_credentials(source_id=source_id)}


@blueprint.route(
    "/sources/<uuid:source_id>/credentials/<uuid:credential_id>/end", methods=["POST"]
)
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.CredentialEnd)
@blueprint.response(204)
@blueprint.refuses(404)
def end_source_credential(body: dict[str, Any], source_id: UUID, credential_id: UUID) -> None:
    """End a credential of a source at once or at a moment to come; its sessions end with it."""
    operations.end_source_credential(
        credential_id=credential_id, actor=acting(), source_id=source_id, **body
    )


@blueprint.route("/sources/<uuid:source_id>/signing", methods=["GET"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.SigningRule)
@blueprint.refuses(404)
def show_signing_rule(source_id: UUID) -> token_waivers.SigningRule:
    """Whether a source must sign every request."""
    return token_waivers.show_rule(source_id=source_id)


@blueprint.route("/sources/<uuid:source_id>/signing", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.SigningReason)
@blueprint.response(200, schemas.SigningRule)
@blueprint.refuses(404)
def require_signatures(body: dict[str, str], source_id: UUID) -> token_waivers.SigningRule:
    """Make a source sign every request from now on; its tokens end."""
    return token_waivers.require_signatures(
        operator_id=caller().subject_id, source_id=source_id, **body
    )


@blueprint.route("/sources/<uuid:source_id>/token-waivers", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.NewTokenWaiver)
@blueprint.response(201, schemas.TokenWaiver)
@blueprint.refuses(404, 409)
def propose_token_waiver(body: dict[str, Any], source_id: UUID) -> token_waivers.TokenWaiver:
    """Propose to let a source show tokens; it may once another operator has confirmed it."""
    return token_waivers.propose_token_waiver(
        operator_id=caller().subject_id, source_id=source_id, **body
    )


@blueprint.route(
    "/sources/<uuid:source_id>/token-waivers/<uuid:waiver_id>/confirmation", methods=["POST"]
)
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.SigningReason)
@blueprint.response(200, schemas.SigningRule)
@blueprint.refuses(403, 404, 409)
def confirm_token_waiver(
    body: dict[str, str], source_id: UUID, waiver_id: UUID
) -> token_waivers.SigningRule:
    """Confirm what another operator proposed: the source may show tokens."""
    return token_waivers.confirm_token_waiver(
        operator_id=caller().subject_id, source_id=source_id, waiver_id=waiver_id, **body
    )


@blueprint.route("/source/credentials", methods=["POST"])
@allow(Role.SOURCE)
@limits.per_caller("10/hour")
@blueprint.response(201, schemas.NewCredential)
@blueprint.refuses(409)
def renew_my_credential() -> operations.NewCredential:
    """Another credential for the calling source, which must have signed the request."""
    return operations.renew_source_credential(
        keys=key_provider(), actor=acting(), source_id=caller().subject_id,
        is_signed=is_signed(),
    )


@blueprint.route("/source/credentials", methods=["GET"])
@allow(Role.SOURCE)
@blueprint.response(200, schemas.Credentials)
def list_my_credentials() -> dict[str, Any]:
    """The credentials of the calling source."""
    return {"credentials": operations.list_source_credentials(source_id=caller().subject_id)}


@blueprint.route("/source/credentials/<uuid:credential_id>/end", methods=["POST"])
@allow(Role.SOURCE)
@blueprint.arguments(schemas.CredentialEnd)
@blueprint.response(204)
@blueprint.refuses(404)
def end_my_credential(body: dict[str, Any], credential_id: UUID) -> None:
    """End a credential of the calling source at once or at a moment to come."""
    operations.end_source_credential(
        credential_id=credential_id, actor=acting(), source_id=caller().subject_id, **body
    )


@blueprint.route("/tokens/refresh", methods=["POST"])
@allow_refresh(*Role)
@limits.per_caller("120/minute")
@blueprint.response(200, schemas.Tokens)
def refresh_tokens() -> dict[str, Any]:
    """Exchange a refresh token (as bearer) for new tokens; it is good for one use."""
    who = caller()
    return tokens_of(
        operations.refresh_session(
            role=who.role, subject_id=who.subject_id, session_id=who.session_id,
            refresh_id=UUID(who.token_id),
        )
    )


@blueprint.route("/sign-out", methods=["POST"])
@allow(*Role)
@blueprint.response(204)
def sign_out() -> None:
    """End the caller's session."""
    who = caller()
    operations.sign_out(role=who.role, subject_id=who.subject_id, session_id=who.session_id)


@blueprint.route("/consent-texts", methods=["GET"])
@public
@blueprint.response(200, schemas.ConsentTexts)
def list_consent_texts() -> dict[str, Any]:
    """The texts that are agreed to when joining."""
    return {"texts": queries.list_current_texts()}


@blueprint.route("/me", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, schemas.Me)
@blueprint.refuses(404)
def show_me() -> dict[str, Any]:
    """The caller's own profile, masked, and consents."""
    citizen_id = caller().subject_id
    profile = operations.my_profile(keys=key_provider(), citizen_id=citizen_id)
    return {**vars(profile), "consents": queries.list_consents(citizen_id=citizen_id)}


@blueprint.route("/me/trail", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.arguments(schemas.TrailPage, location="query")
@blueprint.response(200, schemas.Trail)
def show_my_trail(page: dict[str, Any]) -> dict[str, Any]:
    """Who looked at the caller's data."""
    return {"lines": operations.my_trail(citizen_id=caller().subject_id, **page)}


@blueprint.route("/members/find", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("120/hour")
@blueprint.arguments(schemas.FindMember)
@blueprint.response(200, schemas.Masked)
@blueprint.refuses(404, 409)
def find_member(body: dict[str, Any]) -> queries.MaskedProfile:
    """Find a member by identity number, for a reason; the answer is masked."""
    return operations.find_member(keys=key_provider(), actor=acting(), **body)


@blueprint.route("/members/reveal", methods=["POST"])
@allow(Role.OPERATOR)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.Reveal)
@blueprint.response(200, schemas.Revealed)
@blueprint.refuses(404, 409)
def reveal_member(body: dict[str, Any]) -> dict[str, str | None]:
    """Read fields of a citizen unmasked; the citizen sees who and why."""
    return operations.reveal_profile(
        keys=key_provider(), actor=acting(), citizen_id=body["citizen_id"],
        fields=body["fields_"], reason=body["reason"],
    )


@blueprint.route("/staff", methods=["POST"])
@allow(Role.OPERATOR, signed_in_lately=True)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.NewStaff)
@blueprint.response(201, schemas.CreatedStaff)
@blueprint.refuses(409)
def create_staff(body: dict[str, Any]) -> operations.NewStaff:
    """Create a staff account."""
    return operations.create_staff(keys=key_provider(), actor=acting(), **body)


@blueprint.route("/staff/<uuid:staff_id>/disable", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.response(204)
@blueprint.refuses(404)
def disable_staff(staff_id: UUID) -> None:
    """Disable a staff account; its sessions end at once."""
    operations.disable_staff(staff_id=staff_id, actor=acting())


@blueprint.route("/staff/<uuid:staff_id>/end-sessions", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.response(200, schemas.EndedSessions)
@blueprint.refuses(404)
def end_staff_sessions(staff_id: UUID) -> dict[str, int]:
    """End every session of a staff account."""
    ended = operations.end_staff_sessions(staff_id=staff_id, actor=acting())
    return {"ended_sessions": ended}


@blueprint.route("/members/end-sessions", methods=["POST"])
@allow(Role.OPERATOR)
@blueprint.arguments(schemas.EndMemberSessions)
@blueprint.response(200, schemas.EndedSessions)
@blueprint.refuses(404)
def end_member_sessions(body: dict[str, Any]) -> dict[str, int]:
    """End every session of a citizen, say after a phone was lost; the citizen sees it."""
    ended = operations.end_member_sessions(actor=acting(), **body)
    return {"ended_sessions": ended}


@blueprint.route("/members/unbind-wechat", methods=["POST"])
@allow(Role.OPERATOR, signed_in_lately=True)
@limits.per_caller("60/hour")
@blueprint.arguments(schemas.UnbindWeChat)
@blueprint.response(204)
@blueprint.refuses(404, 409)
def unbind_wechat(body: dict[str, Any]) -> None:
    """Take a lost WeChat account off a member, who joins again from another one."""
    operations.unbind_wechat(actor=acting(), **body)
