"""Reading answers: what a refusal said."""

from __future__ import annotations

from werkzeug.test import TestResponse


def outcome(response: TestResponse) -> tuple[int, str]:
    """Status and code; an empty code when it worked.  Every refusal is a whole document."""
    if response.status_code == 200:
        return 200, ""
    document = response.get_json()
    assert response.content_type == "application/problem+json"
    assert document["type"] == f"/problems/{document['code']}"
    assert any("\u4e00" <= character <= "\u9fff" for character in document["advice"])
    return response.status_code, document["code"]
