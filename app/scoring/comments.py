"""What citizens say about rules that are proposed, while everybody is told of them.

It is kept without who said it: operators who decide read words, not persons.  Hence what names
somebody by a number is refused, and a person may say more than one thing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from app.kernel.database import reading, transaction
from app.kernel.errors import Conflict, IdReused, Invalid
from app.scoring.models import SchemeComment
from app.scoring.version_queries import PROPOSED, VersionName
from app.scoring.versions import show_version

COMMENT_MIN_CHARS, COMMENT_MAX_CHARS = 5, 500
LISTED_MAX = 100
_BETWEEN = re.compile(r"[\s\-—.]")
_NUMBER = re.compile(r"\d{11}")  # a telephone's, a card's, an identity number


class CommentUnfit(Invalid):
    """The comment says too little or too much, or has a person's number in it."""

    code: ClassVar[str] = "comment_unfit"
    title: ClassVar[str] = "A comment has 5 to 500 characters and no number of a person"
    advice: ClassVar[str] = "请填写 5 至 500 字的意见，不要写身份证号、手机号等个人信息。"


class CommentsClosed(Conflict):
    """The version is decided about."""

    code: ClassVar[str] = "comments_closed"
    title: ClassVar[str] = "The rules are decided about; comments are no longer taken"
    advice: ClassVar[str] = "该版本评分规则已有结论，不再征求意见。"


@dataclass(frozen=True)
class Comment:
    """What somebody said about a proposed version."""

    comment_id: UUID
    comment: str
    created_at: datetime


def comment(*, name: VersionName, comment_id: UUID, text: str) -> Comment:
    """Keep what a citizen says about rules under public notice; the same again changes nothing.

    Refuses `scheme_unknown` (also before the notice), `comments_closed`, `comment_unfit`,
    `id_reused`.
    """
    words = text.strip()
    if not COMMENT_MIN_CHARS <= len(words) <= COMMENT_MAX_CHARS:
        raise CommentUnfit
    if _NUMBER.search(_BETWEEN.sub("", words)):
        raise CommentUnfit
    key = (name.code, name.version, comment_id)
    with transaction() as session:
        if show_version(name=name, public=True).state != PROPOSED:
            raise CommentsClosed
        session.execute(
            insert(SchemeComment)
            .values(scheme_code=name.code, version=name.version, comment_id=comment_id,
                    comment=words)
            .on_conflict_do_nothing()
        )  # fmt: skip
        held = session.get_one(SchemeComment, key)
        if held.comment != words:
            raise IdReused
        return _told(held)


def list_comments(
    *, name: VersionName, limit: int = LISTED_MAX, before: UUID | None = None
) -> list[Comment]:
    """What was said about a version, the latest first."""
    query = (
        select(SchemeComment)
        .where(SchemeComment.scheme_code == name.code, SchemeComment.version == name.version)
        .order_by(SchemeComment.comment_id.desc()).limit(limit)
    )  # fmt: skip
    if before is not None:
        query = query.where(SchemeComment.comment_id < before)
    with reading() as session:
        show_version(name=name)
        return [_told(row) for row in session.scalars(query)]


def count_comments(*, name: VersionName) -> int:
    """How often something was said about a version."""
    query = select(func.count()).where(
        SchemeComment.scheme_code == name.code, SchemeComment.version == name.version
    )
    with reading() as session:
        return session.scalar(query) or 0


def _told(row: SchemeComment) -> Comment:
    return Comment(row.comment_id, row.comment, row.created_at)
