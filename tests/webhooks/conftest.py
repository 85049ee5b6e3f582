"""An owner with the platform's worker beside: what is sent is committed first."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.webhooks.shop import Owner, make_owner


@pytest.fixture
def owner(committing_app: Flask, job_app: Flask) -> Owner:
    """An owner of a new merchant."""
    return make_owner(committing_app, job_app)
