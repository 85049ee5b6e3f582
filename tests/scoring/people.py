"""Citizens who are signed in, without the way through WeChat."""

from __future__ import annotations

from uuid import UUID

from app.kernel.database import transaction
from app.members.sessions import open_citizen_session
from app.web.auth import Role, issue_tokens
from tests.members.api import bearer


def signed_in(citizen_id: UUID) -> dict[str, str]:
    """The headers of a citizen with a session."""
    with transaction() as session:
        opened = open_citizen_session(session, citizen_id=citizen_id)
    pair = issue_tokens(
        role=Role.CITIZEN, subject_id=citizen_id, session_id=opened.session_id,
        refresh_id=opened.refresh_id, refresh_life=opened.life,
    )
    return bearer(pair.access_token)
