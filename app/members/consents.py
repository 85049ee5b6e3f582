"""Consents: by purpose and version of the text, append-only; the last decision counts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar
from uuid import UUID

from sqlalchemy import exists, func, insert, select
from sqlalchemy.orm import Session

from app.kernel.clock import CITY_ZONE, city_today
from app.kernel.database import transaction, transaction_required
from app.kernel.errors import Conflict, Invalid, NotAllowed
from app.kernel.ids import new_id
from app.members.models import Consent, ConsentText
from app.members.queries import PublishedText, consent_state, list_current_texts
from app.trail.assessments import require_covered

WECHAT_CHANNEL = "wechat"
REGISTER_CHANNEL = "register"
COUNTER_CHANNEL = "counter"
STANDING = {"given", "stale"}
ANSWER_DAYS = 30  # at least so long members have to answer a required text that changed


class ConsentStale(NotAllowed):
    """The consent names a text that is not the current one; the details list the current ones."""

    code: ClassVar[str] = "consent_stale"
    title: ClassVar[str] = "The consent is to an older text"
    advice: ClassVar[str] = "授权条款已更新，请阅读最新条款后重新确认。"


class ConsentMissing(NotAllowed):
    """A purpose without which nobody can be a member is not agreed to."""

    code: ClassVar[str] = "consent_missing"
    title: ClassVar[str] = "A required consent is missing"
    advice: ClassVar[str] = "请先阅读并同意必选的授权条款。"


class ConsentUnknown(Invalid):
    """There is no text for this purpose, or the purpose is named twice."""

    code: ClassVar[str] = "consent_unknown"
    title: ClassVar[str] = "There is no such purpose of consent"
    advice: ClassVar[str] = "授权事项不存在，请更新程序后重试。"


class ConsentStands(Conflict):
    """A consent that was given is withdrawn, not refused."""

    code: ClassVar[str] = "consent_stands"
    title: ClassVar[str] = "This consent has been given"
    advice: ClassVar[str] = "您已同意该授权；如不再同意，请办理撤回。"


class AnswerByNeeded(Invalid):
    """A required text that changes says until when members answer, and no other text does."""

    code: ClassVar[str] = "answer_by_needed"
    title: ClassVar[str] = "A required text that changes needs a day by which members answer"
    advice: ClassVar[str] = "必选条款有实质变更时须给出不早于所示日期的答复期限，其他条款不设。"


@dataclass(frozen=True)
class GivenConsent:
    """What somebody says yes to: a purpose and the version of its text."""

    purpose: str
    text_version: int


@dataclass(frozen=True)
class Decision:
    """A decision to be written; `decided_on` is a day in the city, None means now."""

    citizen_id: UUID
    text: PublishedText
    channel: str
    decision: str = "given"
    decided_on: date | None = None


def current_texts() -> dict[str, PublishedText]:
    """The newest text of every purpose."""
    return {text.purpose: text for text in list_current_texts()}


def check_consents(given: Sequence[GivenConsent]) -> list[PublishedText]:
    """The texts agreed to; refused when one is stale or unknown, or a required one missing."""
    texts = current_texts()
    purposes = [consent.purpose for consent in given]
    if len(set(purposes)) < len(purposes) or not set(purposes) <= set(texts):
        raise ConsentUnknown
    missing = [t.purpose for t in texts.values() if t.required and t.purpose not in purposes]
    if missing:
        raise ConsentMissing(purposes=missing)
    if any(texts[c.purpose].version != c.text_version for c in given):
        raise ConsentStale(current={t.purpose: t.version for t in texts.values()})
    return [texts[purpose] for purpose in purposes]


def record_decisions(decisions: Sequence[Decision]) -> None:
    """Write decisions in the open transaction."""
    if not decisions:
        return
    session = transaction_required()
    # Not the time at which the transaction began: who waited for a lock decides later.
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    session.execute(insert(Consent), [_row(decision, now) for decision in decisions])


def give_consent(
    *, citizen_id: UUID, given: GivenConsent, channel: str = WECHAT_CHANNEL
) -> None:
    """A member's consent to one more purpose, in the open transaction."""
    text = current_texts().get(given.purpose)
    if text is None:
        raise ConsentUnknown
    if text.version != given.text_version:
        raise ConsentStale(current={text.purpose: text.version})
    record_decisions([Decision(citizen_id=citizen_id, text=text, channel=channel)])


def withdraw_consent(*, citizen_id: UUID, purpose: str, channel: str = WECHAT_CHANNEL) -> None:
    """Withdraw a consent, in the open transaction; nothing where none stands."""
    text = current_texts().get(purpose)
    if text is None or consent_state(citizen_id=citizen_id, purpose=purpose) not in STANDING:
        return
    record_decisions([
        Decision(citizen_id=citizen_id, text=text, channel=channel, decision="withdrawn")
    ])


def refuse_consent(
    *, citizen_id: UUID, given: GivenConsent, channel: str = WECHAT_CHANNEL
) -> None:
    """A no to a text that was shown, in the open transaction; a consent is not taken back by it."""
    text = current_texts().get(given.purpose)
    if text is None:
        raise ConsentUnknown
    if consent_state(citizen_id=citizen_id, purpose=given.purpose) in STANDING:
        raise ConsentStands
    record_decisions([
        Decision(citizen_id=citizen_id, text=text, channel=channel, decision="refused")
    ])


def publish_text(
    *, purpose: str, receiver: str, required: bool, sensitive: bool, title: str, body: str,
    matters: bool = True, answer_due_on: date | None = None,
) -> int:
    """Publish the next version of a purpose's text and return its number.

    Consents to older versions are stale from this moment, unless nothing changed that `matters`: a
    word that is clearer now.  A change that matters of a text without which nobody is a member
    says until when members answer (`answer_due_on`); who has not agreed by then rests.

    AnswerByNeeded; AssessmentMissing when it brings a purpose, a receiver or a sensitive use that
    nobody has assessed.
    """
    with transaction() as session:
        newest = session.scalar(
            select(ConsentText).where(ConsentText.purpose == purpose)
            .order_by(ConsentText.version.desc()).limit(1)
        )
        _require_assessed(newest, purpose=purpose, receiver=receiver, sensitive=sensitive)
        asks_members = required and matters and _is_anybody_bound(session, purpose)
        _require_time_to_answer(session, answer_due_on, is_needed=asks_members)
        version = (newest.version if newest is not None else 0) + 1
        session.add(ConsentText(
            purpose=purpose, version=version, receiver=receiver, required=required,
            sensitive=sensitive, title=title, body=body, text_hash=hash_text(title, body),
            matters=matters, answer_due_on=answer_due_on,
        ))
    return version


def _is_anybody_bound(session: Session, purpose: str) -> bool:
    return session.scalar(select(exists().where(Consent.purpose == purpose))) is True


def _require_time_to_answer(
    session: Session, answer_due_on: date | None, *, is_needed: bool
) -> None:
    earliest = city_today(session) + timedelta(days=ANSWER_DAYS)
    is_late_enough = answer_due_on is None or answer_due_on >= earliest
    if is_needed != (answer_due_on is not None) or not is_late_enough:
        raise AnswerByNeeded(earliest=earliest.isoformat())


def _require_assessed(
    before: ConsentText | None, *, purpose: str, receiver: str, sensitive: bool
) -> None:
    """What a text brings that the one before it did not, somebody must have assessed."""
    if sensitive and not (before is not None and before.sensitive):
        require_covered(kind="sensitive", what=purpose)
    if before is None:
        require_covered(kind="collecting", what=purpose)
    elif before.receiver != receiver:
        require_covered(kind="sharing", what=purpose)


def kind_of_sharing(purpose: str) -> str:
    """Which kind of assessment telling a receiver takes: by whether the consent is sensitive."""
    text = current_texts().get(purpose)
    return "sensitive" if text is not None and text.sensitive else "sharing"


def require_assessed_sharing(purpose: str) -> None:
    """Before somebody begins to be told what this consent allows.  AssessmentMissing."""
    require_covered(kind=kind_of_sharing(purpose), what=purpose)


def hash_text(title: str, body: str) -> bytes:
    """SHA-256 over the title, a line end and the body: what a consent row proves."""
    return hashlib.sha256(f"{title}\n{body}".encode()).digest()


def _row(decision: Decision, now: datetime) -> dict[str, object]:
    decided_at = now
    if decision.decided_on is not None:
        decided_at = datetime.combine(decision.decided_on, time(), CITY_ZONE).astimezone(UTC)
    return {
        "citizen_id": decision.citizen_id,
        "consent_id": new_id(),
        "purpose": decision.text.purpose,
        "text_version": decision.text.version,
        "text_hash": decision.text.text_hash,
        "decision": decision.decision,
        "channel": decision.channel,
        "decided_at": decided_at,
    }
