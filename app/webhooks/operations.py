"""Endpoints of a merchant: made, given new secrets, stopped and removed by its owner alone.

Everything here begins with the owner's own merchant, and every statement names it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from app.kernel.database import durable, reading, transaction, transaction_required
from app.kernel.errors import IdReused
from app.kernel.keys import KeyProvider
from app.merchants.devices import merchant_of_owner
from app.webhooks import refusals, signing
from app.webhooks.addresses import AddressRefused, Guard
from app.webhooks.models import WebhookEndpoint
from app.webhooks.queries import Endpoint, find_endpoint, list_endpoints

ENDPOINTS_MAX: Final = 10  # of one merchant
RESOLVE_SECONDS: Final = 2

_LOCK_MERCHANT = text("""
    SELECT pg_advisory_xact_lock(hashtextextended('webhook_endpoints ' || :merchant, 0))
""")


@dataclass(frozen=True)
class NewSecret:
    """An endpoint and its secret, shown this once; None when it was shown before."""

    endpoint: Endpoint
    secret: str | None


def register_endpoint(
    *,
    keys: KeyProvider,
    guard: Guard,
    owner_id: UUID,
    endpoint_id: UUID,
    url: str,
    event_types: Sequence[str],
) -> NewSecret:
    """Register an endpoint; the same id again gives the same endpoint, without its secret.

    Refuses `not_merchant_staff`, `webhook_url_refused`, `webhook_endpoints_full`, `id_reused`.
    """
    merchant_id = own_merchant(owner_id)
    _require_public(guard, url)
    wanted = sorted(set(event_types))
    secret = signing.new_secret()
    with transaction() as session:
        session.execute(_LOCK_MERCHANT, {"merchant": str(merchant_id)})
        held = session.get(WebhookEndpoint, (merchant_id, endpoint_id))
        if held is not None:
            if (held.url, held.event_types) != (url, wanted):
                raise IdReused
            return NewSecret(_as_it_stands(held), None)
        _require_room(session, merchant_id)
        made = WebhookEndpoint(
            merchant_id=merchant_id, endpoint_id=endpoint_id, url=url, event_types=wanted,
            secret_sealed=signing.seal_secret(keys, secret, endpoint_id=endpoint_id),
        )
        session.add(made)
        return NewSecret(_as_it_stands(made), signing.shown(secret))


def list_own_endpoints(*, owner_id: UUID) -> list[Endpoint]:
    """The endpoints of the owner's merchant.  Refuses `not_merchant_staff`."""
    with reading():
        return list_endpoints(merchant_id=own_merchant(owner_id))


def rotate_secret(
    *, keys: KeyProvider, owner_id: UUID, endpoint_id: UUID, overlap: timedelta
) -> NewSecret:
    """Give an endpoint a new secret; messages carry a signature by the old one too, for a while.

    Refuses `not_merchant_staff`, `webhook_endpoint_unknown`.
    """
    secret = signing.new_secret()
    with transaction() as session:
        held = take_endpoint(owner_id=owner_id, endpoint_id=endpoint_id)
        moment: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
        held.old_secret_sealed, held.old_secret_until = held.secret_sealed, moment + overlap
        held.secret_sealed = signing.seal_secret(keys, secret, endpoint_id=endpoint_id)
        return NewSecret(_as_it_stands(held), signing.shown(secret))


def set_endpoint_enabled(*, owner_id: UUID, endpoint_id: UUID, enabled: bool) -> Endpoint:
    """Stop an endpoint, or let it go on with what waits for it.

    Refuses `not_merchant_staff`, `webhook_endpoint_unknown`.
    """
    with transaction() as session:
        held = take_endpoint(owner_id=owner_id, endpoint_id=endpoint_id)
        if not enabled:
            held.disabled_reason = held.disabled_reason or "owner"
        elif held.disabled_reason is not None:
            held.disabled_reason = held.failing_since_at = None
            held.failure_count = 0
            held.free_at = session.execute(select(func.clock_timestamp())).scalar_one()
        return _as_it_stands(held)


def remove_endpoint(*, owner_id: UUID, endpoint_id: UUID) -> None:
    """Remove an endpoint, what waits for it, and its log; one that is gone stays gone.

    Refuses `not_merchant_staff`, `webhook_endpoint_unknown`.
    """
    with transaction() as session:
        session.delete(take_endpoint(owner_id=owner_id, endpoint_id=endpoint_id))


def take_endpoint(*, owner_id: UUID, endpoint_id: UUID) -> WebhookEndpoint:
    """An endpoint of the owner's merchant, locked until the end of the transaction.

    Refuses `not_merchant_staff`, `webhook_endpoint_unknown`.
    """
    merchant_id = own_merchant(owner_id)
    held = transaction_required().get(
        WebhookEndpoint, (merchant_id, endpoint_id), with_for_update=True, populate_existing=True
    )
    if held is None:
        raise refusals.WebhookEndpointUnknown
    return held


def own_merchant(owner_id: UUID) -> UUID:
    """The merchant whose owner this is.  Refuses `not_merchant_staff`."""
    with reading() as session:
        return merchant_of_owner(session, owner_id)


def _require_public(guard: Guard, url: str) -> None:
    durable()
    try:
        guard.locate(url, seconds=RESOLVE_SECONDS)
    except AddressRefused as error:
        raise refusals.WebhookUrlRefused(reason=error.reason) from None


def _require_room(session: Session, merchant_id: UUID) -> None:
    number = select(func.count()).where(WebhookEndpoint.merchant_id == merchant_id)
    if session.execute(number).scalar_one() >= ENDPOINTS_MAX:
        raise refusals.WebhookEndpointsFull(at_most=ENDPOINTS_MAX)


def _as_it_stands(held: WebhookEndpoint) -> Endpoint:
    session = transaction_required()
    session.flush()
    session.refresh(held)
    found = find_endpoint(merchant_id=held.merchant_id, endpoint_id=held.endpoint_id)
    assert found is not None, "it is locked"
    return found
