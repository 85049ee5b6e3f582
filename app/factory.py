"""create_app(): the only module that knows every room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from uuid import UUID

import redis
from flask import Flask
from flask_migrate import Migrate

from app import schedule  # noqa: F401 -- its functions register themselves
from app.benefits import routes as benefits_routes
from app.cli import register_commands
from app.complaints import queries as complaints_queries
from app.complaints import routes as complaints_routes
from app.config import Settings
from app.counter import notices as counter_notices
from app.counter import remedy_routes, visit_routes
from app.counter import routes as counter_routes
from app.deaths import routes as deaths_routes
from app.households import operations as households
from app.households import routes as households_routes
from app.kernel import checks, jobs
from app.kernel.database import database_configuration, db
from app.kernel.jobs import queue_state
from app.kernel.keys import KeyRing
from app.ledger import queries as ledger_queries
from app.ledger import routes as ledger_routes
from app.library import routes as library_routes
from app.members import operations as members
from app.members import routes as members_routes
from app.members.queries import session_is_live, signed_in_lately
from app.merchants import application_routes as merchant_application_routes
from app.merchants import directory_routes as merchant_directory_routes
from app.merchants import queries as merchants_queries
from app.merchants import routes as merchants_routes
from app.objections import desk_routes as objections_desk_routes
from app.objections import queries as objections_queries
from app.objections import routes as objections_routes
from app.oversight import working as oversight
from app.oversight.incidents import NOTICE_TOPIC as INCIDENT_TOPIC
from app.records import routes as records_routes
from app.redemptions import offline_decisions, offline_routes
from app.redemptions import routes as redemptions_routes
from app.repairs import queries as repairs_queries
from app.repairs import routes as repairs_routes
from app.rights import copies, journal
from app.rights import queries as rights_queries
from app.rights import routes as rights_routes
from app.scoring import (
    dry_runs,
    publication_routes,
    rank_routes,
)
from app.scoring import operations as scoring
from app.scoring import routes as scoring_routes
from app.scoring import version_routes as scheme_version_routes
from app.service_orders import due
from app.service_orders import routes as service_orders_routes
from app.service_orders.acts import CHANGED_TOPIC
from app.service_orders.leaving import LEFT_TOPIC
from app.settlement import reconciling
from app.settlement import working as settlement
from app.trail import queries as trail_queries
from app.trail import routes as trail_routes
from app.trail import security
from app.transit import routes as transit_routes
from app.transit.commands import transit_commands
from app.web import docs, health, metrics
from app.web.auth import Caller, Role, configure_auth
from app.web.keys import key_provider
from app.web.limits import configure_limits
from app.web.openapi import SynchronousFlask, configure_openapi
from app.web.problems import register_problems
from app.web.requests import configure_requests
from app.web.signatures import SigningKeys, configure_signatures
from app.web.watching import Seen, configure_security_log
from app.webhooks import deliveries as webhook_deliveries
from app.webhooks import events as webhook_events
from app.webhooks import routes as webhooks_routes
from app.webhooks.addresses import Guard
from app.webhooks.queries import webhook_state
from app.webhooks.sending import Sender
from app.wechat import messages, pay_score, sms
from app.wechat import routes as wechat_routes
from app.wechat.gateway import build_gateway, build_pay_score

MIGRATION_HEAD = Path(__file__).parent.parent / "migrations" / ".current-head"
REDIS_CHECK_SECONDS = 0.2
HOLDS_COUNTED_MAX = 1_000


def create_app(settings: Settings | None = None) -> Flask:
    """Build the application from its settings (default: the environment)."""
    settings = settings or Settings.from_environ()
    app = SynchronousFlask(__name__, static_folder=None)
    app.extensions["card_settings"] = settings
    keys = KeyRing.from_file(settings.keys_file)
    app.extensions["card_keys"] = keys
    _configure_database(app, settings)
    configure_requests(app, trusted_proxy_count=settings.trusted_proxy_count)
    register_problems(app)
    configure_auth(
        app, keys=keys, issuer=settings.token_issuer, session_is_live=_session_is_live,
        signed_in_lately=_signed_in_lately, narrowed=_narrowed,
    )
    find_key = partial(members.find_signing_credential, keys=keys)
    configure_signatures(app, SigningKeys(find_key, members.admit_request))
    configure_security_log(app, _tell_security)
    configure_limits(app, redis_url=settings.redis_url)
    app.extensions["card_wechat"] = build_gateway(settings)
    app.extensions["card_pay_score"] = build_pay_score(settings)
    app.extensions["card_sms"] = sms.build_sms(settings)
    app.extensions["card_webhooks"] = Sender(Guard(loopback_allowed=settings.webhooks_to_loopback))
    jobs.handler(messages.REDEEMED_TOPIC)(tell_redeemed)
    for topic in webhook_events.TOPICS:
        if topic != messages.REDEEMED_TOPIC:
            jobs.handler(topic)(webhook_deliveries.spread)
    jobs.handler(due.DUE_TOPIC)(messages.send_due)
    jobs.handler(due.OVER_TOPIC)(messages.send_over)
    jobs.handler(messages.SHOWN_AGAIN_TOPIC)(messages.send_shown_again)
    jobs.handler(INCIDENT_TOPIC)(messages.send_incident)
    jobs.handler(CHANGED_TOPIC)(pay_score.settle_order)
    jobs.handler(LEFT_TOPIC)(pay_score.end_left)
    jobs.handler(dry_runs.DRY_RUN_TOPIC)(carry_out_dry_run)
    jobs.handler(copies.COPY_TOPIC)(make_copy)
    jobs.handler(counter_notices.NOTICE_TOPIC)(sms.send_notice)
    jobs.handler(households.CHANGED_TOPIC)(refresh_household)
    _register_routes(app)
    _configure_watching(app, settings)
    register_commands(app)
    app.cli.add_command(transit_commands)
    return app


def _register_routes(app: Flask) -> None:
    api = configure_openapi(app)
    for blueprint in (
        health.blueprint,
        metrics.blueprint,
        docs.blueprint,
        trail_routes.blueprint,
        members_routes.blueprint,
        ledger_routes.blueprint,
        households_routes.blueprint,
        records_routes.blueprint,
        scoring_routes.blueprint,
        scheme_version_routes.blueprint,
        rank_routes.blueprint,
        publication_routes.blueprint,
        publication_routes.well_known,
        merchants_routes.blueprint,
        merchant_application_routes.blueprint,
        merchant_directory_routes.blueprint,
        benefits_routes.blueprint,
        redemptions_routes.blueprint,
        offline_routes.blueprint,
        counter_routes.blueprint,
        visit_routes.blueprint,
        remedy_routes.blueprint,
        service_orders_routes.blueprint,
        webhooks_routes.blueprint,
        library_routes.blueprint,
        complaints_routes.blueprint,
        transit_routes.blueprint,
        settlement.blueprint,
        objections_routes.blueprint,
        objections_desk_routes.blueprint,
        repairs_routes.blueprint,
        rights_routes.blueprint,
        deaths_routes.blueprint,
        oversight.blueprint,
        oversight.incident_blueprint,
        wechat_routes.blueprint,
        wechat_routes.callbacks,
    ):
        api.register_blueprint(blueprint)


def _session_is_live(caller: Caller) -> bool:
    return session_is_live(
        role=caller.role, subject_id=caller.subject_id, session_id=caller.session_id
    )


def _tell_security(seen: Seen) -> None:
    """Write into the log of security what was denied, and who took a file away."""
    what = f"{seen.method} {seen.rule}"
    security.note_event(
        kind=security.EXPORTED if seen.refusal_code is None else security.DENIED,
        role=seen.caller.role, account_id=seen.caller.subject_id,
        subject=what if seen.refusal_code is None else f"{what} {seen.refusal_code}",
    )


def _signed_in_lately(caller: Caller) -> bool:
    return signed_in_lately(staff_id=caller.subject_id, session_id=caller.session_id)


def _narrowed(caller: Caller) -> AbstractContextManager[None]:
    """Who works for a merchant sees that merchant's rows alone, whatever a query forgets."""
    if caller.role in {Role.CLERK, Role.MERCHANT_OWNER}:
        return merchants_queries.behind_wall(staff_id=caller.subject_id)
    return nullcontext()


def tell_redeemed(message: jobs.Message) -> None:
    """Tell the merchant's programs, then the citizen: a second try finds the first part done."""
    webhook_deliveries.spread(message)
    messages.send_redeemed(message)


def make_copy(message: jobs.Message) -> None:
    """Make the copy that somebody asked for."""
    copies.make_copy(
        keys=key_provider(), citizen_id=message.citizen_id,
        copy_id=UUID(message.payload["copy_id"]),
    )


def carry_out_dry_run(message: jobs.Message) -> None:
    """Try proposed rules on everybody; the message goes by the id of the dry run."""
    dry_runs.carry_out_dry_run(keys=key_provider(), dry_run_id=message.citizen_id)


def refresh_household(message: jobs.Message) -> None:
    """Follow a household whose adults have changed; the message goes by its head."""
    scoring.refresh_household(
        head_id=message.citizen_id, is_over=bool(message.payload["is_over"])
    )


def _due_holds() -> dict[str, float]:
    """Gauge: holds that are due and still open, at most a thousand."""
    return {"holds_overdue": float(len(ledger_queries.due_holds(limit=HOLDS_COUNTED_MAX)))}


def _configure_watching(app: Flask, settings: Settings) -> None:
    head = MIGRATION_HEAD.read_text(encoding="utf-8").strip()
    health.configure_health(
        app, head=head, may_open=partial(journal.may_open, settings.deletion_journal),
        optional=_helpful_things(settings),
    )
    metrics.configure_metrics(
        app,
        token=settings.metrics_token_secret,
        gauges=(
            queue_state,
            checks.check_state,
            _due_holds,
            webhook_state,
            offline_decisions.scan_state,
            rights_queries.erasure_state,
            objections_queries.objection_state,
            complaints_queries.complaint_state,
            repairs_queries.repair_state,
            trail_queries.alarm_state,
            reconciling.reconciliation_state,
        ),
    )


def _helpful_things(settings: Settings) -> Mapping[str, Callable[[], bool]]:
    """What makes the service better and is not needed: it says whether it answers."""
    if settings.redis_url is None:
        return {}
    client = redis.Redis.from_url(
        settings.redis_url,
        socket_timeout=REDIS_CHECK_SECONDS,
        socket_connect_timeout=REDIS_CHECK_SECONDS,
    )

    def redis_answers() -> bool:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False

    return {"redis": redis_answers}


def _configure_database(app: Flask, settings: Settings) -> None:
    app.config.update(database_configuration(
        url=settings.database_url, pool_size=settings.database_pool_size
    ))
    db.init_app(app)
    Migrate(app, db, directory="migrations")
