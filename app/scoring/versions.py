"""New versions of a scheme, changed in the open: proposed, noticed, tried, confirmed by another.

A version's number and text never change once they are proposed; a better text is another version.
The rules apply by themselves from their date on; results of days before stay as they were.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import ClassVar
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from app.kernel.database import transaction
from app.kernel.errors import Conflict, Invalid, NotFound
from app.records.queries import catalogue_in_force, current_day
from app.scoring.models import SchemeDecision, SchemeNotice, SchemeProposal, SchemeVersion
from app.scoring.operations import (
    ONE_DECISION_AT_A_TIME,
    SchemeVersionTaken,
    insert_scheme,
    put_in_force,
)
from app.scoring.queries import published_scheme
from app.scoring.scheme import Scheme, SchemeError, parse_scheme
from app.scoring.version_queries import (
    DRAFT,
    PROPOSED,
    SchemeState,
    VersionName,
    find_dry_run,
    find_version,
    last_activated,
)
from app.trail.assessments import require_assessment
from app.trail.operations import Actor, SecondPersonNeeded, record_act, require_reason

NOTICE_MIN_CHARS = 20
NOTICE_MAX_CHARS = 5_000
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")  # stands in addresses


class SchemeUnsound(Invalid):
    """The text of a scheme does not make sense; `finding` names the offending key."""

    code: ClassVar[str] = "scheme_unsound"
    title: ClassVar[str] = "The text of the scheme does not make sense"
    advice: ClassVar[str] = "评分规则文件有误，请按提示修改后重新提交。"


class SchemeUnknown(NotFound):
    """There is no such version, or it is a draft that is not public yet."""

    code: ClassVar[str] = "scheme_unknown"
    title: ClassVar[str] = "There is no such version of a scheme"
    advice: ClassVar[str] = "没有找到该评分规则版本。"


class SchemeNotLater(Conflict):
    """A new version begins after the ones before it, so that past results stay as they are."""

    code: ClassVar[str] = "scheme_not_later"
    title: ClassVar[str] = "A new scheme version must begin after the ones before it"
    advice: ClassVar[str] = "新版本的生效日期必须晚于已公布的版本。"


class NoticeTooShort(Conflict):
    """People are told of new rules some time before they apply."""

    code: ClassVar[str] = "notice_too_short"
    title: ClassVar[str] = "The new rules would apply too soon after their public notice"
    advice: ClassVar[str] = "距生效日期不足公示期，请提交生效日期更晚的新版本。"


class NoticeUnfit(Invalid):
    """The public notice says too little or too much."""

    code: ClassVar[str] = "notice_unfit"
    title: ClassVar[str] = "A public notice of 20 to 5000 characters is needed"
    advice: ClassVar[str] = "请填写 20 至 5000 字的变更公告，说明改了什么、为什么。"


class NoticePublished(Conflict):
    """A notice is published once; what people were told is not changed behind them."""

    code: ClassVar[str] = "notice_published"
    title: ClassVar[str] = "The public notice of this version is published with another text"
    advice: ClassVar[str] = "变更公告已发布，不能修改；如有错误请撤回并提交新版本。"


class NoticeMissing(Conflict):
    """Nobody has published a notice of this version yet."""

    code: ClassVar[str] = "notice_missing"
    title: ClassVar[str] = "The public notice of this version is not published"
    advice: ClassVar[str] = "尚未发布变更公告，请先发布公告。"


class DryRunMissing(Conflict):
    """There is no finished dry run of exactly this text against the rules before it."""

    code: ClassVar[str] = "dry_run_missing"
    title: ClassVar[str] = "No finished dry run of this text against the rules before it"
    advice: ClassVar[str] = "缺少与本规则文本对应的试算结果，请先完成试算。"


class SchemeDecided(Conflict):
    """The version was activated or withdrawn before."""

    code: ClassVar[str] = "scheme_decided"
    title: ClassVar[str] = "The version was activated or withdrawn before"
    advice: ClassVar[str] = "该版本已生效、待生效或已撤回，不能再次办理。"


def propose_scheme(
    *, document: str, assessment_id: UUID, operator_id: UUID, reason: str, notice_days: int
) -> SchemeState:
    """Propose a version from its TOML text as a draft; the same text again changes nothing.

    Refused: an unsound text, a date that comes before an activated one or within `notice_days`
    (the first version of a programme may apply at once), a missing assessment.
    """
    reason = require_reason(reason)
    scheme = _sound(document)
    with transaction() as session:
        require_assessment(assessment_id=assessment_id, kind="scoring")
        held = session.get(SchemeVersion, (scheme.code, scheme.version))
        if held is not None and held.document != document:
            raise SchemeVersionTaken
        if held is None:
            _require_later(scheme.effective_on)
            _require_notice(scheme.effective_on, told_on=current_day(), notice_days=notice_days)
            insert_scheme(session, scheme)
            session.execute(insert(SchemeProposal).values(
                scheme_code=scheme.code, version=scheme.version, assessment_id=assessment_id,
                proposed_by=operator_id, reason=reason,
            ))
            name = VersionName(scheme.code, scheme.version)
            _record("scheme_proposed", name, operator_id, reason, f"assessment {assessment_id}")
    return show_version(name=VersionName(scheme.code, scheme.version))


def publish_notice(
    *, name: VersionName, notice: str, operator_id: UUID, reason: str, notice_days: int
) -> SchemeState:
    """Tell everybody what is to change and why; the draft is public from now on."""
    reason, notice = require_reason(reason), notice.strip()
    if not NOTICE_MIN_CHARS <= len(notice) <= NOTICE_MAX_CHARS:
        raise NoticeUnfit
    with transaction() as session:
        session.execute(ONE_DECISION_AT_A_TIME)
        draft = require_open(name)
        if draft.notice == notice:
            return draft
        if draft.state != DRAFT:
            raise NoticePublished
        today = current_day()
        _require_notice(draft.effective_on, told_on=today, notice_days=notice_days)
        session.execute(insert(SchemeNotice).values(
            scheme_code=name.code, version=name.version, notice=notice,
            published_by=operator_id, published_on=today,
        ))
        _record("scheme_noticed", name, operator_id, reason)
    return show_version(name=name)


def confirm_scheme(
    *, name: VersionName, dry_run_id: UUID, operator_id: UUID, reason: str, notice_days: int
) -> SchemeState:
    """Let a proposed version apply from its date on: by another operator than the proposer.

    The confirmer names the finished dry run that was looked at.
    """
    reason = require_reason(reason)
    with transaction() as session:
        session.execute(ONE_DECISION_AT_A_TIME)
        draft = require_open(name)
        if draft.proposed_by == operator_id:
            raise SecondPersonNeeded
        _require_ready(draft, dry_run_id=dry_run_id, notice_days=notice_days)
        put_in_force(
            session, published_scheme(code=name.code, version=name.version), dry_run_id=dry_run_id,
            decided_by=operator_id, reason=reason,
        )
        _record("scheme_confirmed", name, operator_id, reason, f"dry run {dry_run_id}")
    return show_version(name=name)


def withdraw_scheme(*, name: VersionName, operator_id: UUID, reason: str) -> SchemeState:
    """Give a draft up, by either of the operators; its number is not used again."""
    reason = require_reason(reason)
    with transaction() as session:
        session.execute(ONE_DECISION_AT_A_TIME)
        draft = require_open(name)
        _withdraw(session, draft, operator_id, reason)
        _record("scheme_withdrawn", name, operator_id, reason)
    return show_version(name=name)


def show_version(*, name: VersionName, public: bool = False) -> SchemeState:
    """A version and where it stands; SchemeUnknown for a draft when the public asks."""
    found = find_version(name=name)
    if found is None or (public and not found.is_public):
        raise SchemeUnknown
    return found


def require_open(name: VersionName) -> SchemeState:
    """A version that was proposed and is not decided about; SchemeUnknown or SchemeDecided."""
    found = show_version(name=name)
    if found.state not in {DRAFT, PROPOSED}:
        raise SchemeDecided
    return found


def _sound(document: str) -> Scheme:
    try:
        scheme = parse_scheme(document, catalogue=catalogue_in_force())
    except SchemeError as error:
        raise SchemeUnsound(finding=str(error)) from error
    for key in ("code", "version"):
        if _NAME.fullmatch(getattr(scheme, key)) is None:
            raise SchemeUnsound(finding=f"scheme.{key}: a-z, 0-9, dot, hyphen and underscore only")
    return scheme


def _require_ready(draft: SchemeState, *, dry_run_id: UUID, notice_days: int) -> None:
    if draft.assessment_id is not None:
        require_assessment(assessment_id=draft.assessment_id, kind="scoring")
    if draft.notice_published_on is None:
        raise NoticeMissing
    _require_later(draft.effective_on)
    told_on = draft.notice_published_on
    _require_notice(draft.effective_on, told_on=told_on, notice_days=notice_days)
    _require_dry_run(draft, dry_run_id)


def _require_later(effective_on: date) -> None:
    last = last_activated()
    if last is None:
        return
    if effective_on <= max(last.effective_on, current_day()):
        raise SchemeNotLater


def _require_notice(effective_on: date, *, told_on: date, notice_days: int) -> None:
    if last_activated() is not None and effective_on < told_on + timedelta(days=notice_days):
        raise NoticeTooShort


def _require_dry_run(draft: SchemeState, dry_run_id: UUID) -> None:
    run, last = find_dry_run(dry_run_id=dry_run_id), last_activated()
    if (
        run is None
        or run.ended_at is None
        or (run.name, run.content_hash) != (draft.name, draft.content_hash)
        or run.base != (last.name if last else None)
    ):
        raise DryRunMissing


def _withdraw(
    session: Session, draft: SchemeState, operator_id: UUID, reason: str
) -> None:
    session.execute(insert(SchemeDecision).values(
        scheme_code=draft.name.code, version=draft.name.version, decision="withdrawn",
        effective_on=draft.effective_on, decided_by=operator_id, reason=reason,
    ))


def _record(
    action: str, name: VersionName, operator_id: UUID, reason: str, basis: str = ""
) -> None:
    record_act(
        actor=Actor("operator", operator_id), action=action,
        subject=f"scheme {name.code} {name.version}", reason=reason, basis=basis,
    )
