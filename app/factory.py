"""create_app(): the only module that knows every room."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path

import redis
from flask import Flask
from flask_migrate import Migrate

from app.benefits import routes as benefits_routes
from app.cli import register_commands
from app.complaints import routes as complaints_routes
from app.config import Settings, running_settings
from app.households import operations as households
from app.households import routes as households_routes
from app.kernel import checks, jobs, working_days
from app.kernel.database import database_configuration, db
from app.kernel.jobs import queue_state
from app.kernel.keys import KeyRing
from app.ledger import operations as ledger
from app.ledger import queries as ledger_queries
from app.ledger import routes as ledger_routes
from app.library import routes as library_routes
from app.members import operations as members
from app.members import routes as members_routes
from app.members.queries import session_is_live
from app.merchants import application_routes as merchant_application_routes
from app.merchants import applications, employment
from app.merchants import directory_routes as merchant_directory_routes
from app.merchants import queries as merchants_queries
from app.merchants import routes as merchants_routes
from app.records import returning, uploads
from app.records import routes as records_routes
from app.records.queries import current_day, settled_day
from app.records.working import work_off
from app.redemptions import offline_decisions, offline_lists, offline_routes, pruning, vouchers
from app.redemptions import publishing as redemptions_publishing
from app.redemptions import queries as redemptions_queries
from app.redemptions import routes as redemptions_routes
from app.scoring import (
    dry_runs,
    publication_routes,
    publications,
    rank_routes,
    ranks,
    recomputations,
    refreshing,
)
from app.scoring import operations as scoring
from app.scoring import routes as scoring_routes
from app.scoring import version_routes as scheme_version_routes
from app.scoring.operations import delivery_worker
from app.service_orders import due
from app.service_orders import queries as service_orders_queries
from app.service_orders import routes as service_orders_routes
from app.service_orders.acts import CHANGED_TOPIC
from app.settlement import working as settlement
from app.trail import routes as trail_routes
from app.transit import files as transit_files
from app.transit import routes as transit_routes
from app.transit import settling
from app.transit.commands import transit_commands
from app.web import docs, health, metrics
from app.web.auth import Caller, Role, configure_auth
from app.web.keys import key_provider
from app.web.limits import configure_limits
from app.web.openapi import SynchronousFlask, configure_openapi
from app.web.problems import register_problems
from app.web.requests import configure_requests
from app.web.signatures import SigningKeys, configure_signatures
from app.webhooks import deliveries as webhook_deliveries
from app.webhooks import dispatch as webhook_dispatch
from app.webhooks import events as webhook_events
from app.webhooks import routes as webhooks_routes
from app.webhooks.addresses import Guard
from app.webhooks.queries import webhook_state
from app.webhooks.sending import Sender
from app.wechat import messages, pay_score
from app.wechat import routes as wechat_routes
from app.wechat.gateway import build_gateway, build_pay_score

MIGRATION_HEAD = Path(__file__).parent.parent / "migrations" / ".current-head"
REDIS_CHECK_SECONDS = 0.2
SWEEP_BATCH = 500
SWEEPS_MAX = 1_000
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
        narrowed=_narrowed,
    )
    find_key = partial(members.find_signing_credential, keys=keys)
    configure_signatures(app, SigningKeys(find_key, members.admit_request))
    configure_limits(app, redis_url=settings.redis_url)
    app.extensions["card_wechat"] = build_gateway(settings)
    app.extensions["card_pay_score"] = build_pay_score(settings)
    app.extensions["card_webhooks"] = Sender(Guard(loopback_allowed=settings.webhooks_to_loopback))
    jobs.handler(messages.REDEEMED_TOPIC)(tell_redeemed)
    for topic in webhook_events.TOPICS:
        if topic != messages.REDEEMED_TOPIC:
            jobs.handler(topic)(webhook_deliveries.spread)
    jobs.handler(due.DUE_TOPIC)(messages.send_due)
    for topic in (CHANGED_TOPIC, due.DEBIT_TOPIC):
        jobs.handler(topic)(pay_score.settle_order)
    jobs.handler(dry_runs.DRY_RUN_TOPIC)(carry_out_dry_run)
    jobs.handler(households.CHANGED_TOPIC)(refresh_household)
    _register_routes(app)
    _configure_watching(app, settings)
    register_commands(app)
    app.cli.add_command(transit_commands)
    return app


def _register_routes(app: Flask) -> None:
    api = configure_openapi(app)
    for blueprint in (health.blueprint, metrics.blueprint, docs.blueprint, trail_routes.blueprint):
        api.register_blueprint(blueprint)
    api.register_blueprint(members_routes.blueprint)
    api.register_blueprint(ledger_routes.blueprint)
    api.register_blueprint(households_routes.blueprint)
    api.register_blueprint(records_routes.blueprint)
    api.register_blueprint(scoring_routes.blueprint)
    api.register_blueprint(scheme_version_routes.blueprint)
    api.register_blueprint(rank_routes.blueprint)
    api.register_blueprint(publication_routes.blueprint)
    api.register_blueprint(publication_routes.well_known)
    api.register_blueprint(merchants_routes.blueprint)
    api.register_blueprint(merchant_application_routes.blueprint)
    api.register_blueprint(merchant_directory_routes.blueprint)
    api.register_blueprint(benefits_routes.blueprint)
    api.register_blueprint(redemptions_routes.blueprint)
    api.register_blueprint(offline_routes.blueprint)
    api.register_blueprint(service_orders_routes.blueprint)
    api.register_blueprint(webhooks_routes.blueprint)
    api.register_blueprint(library_routes.blueprint)
    api.register_blueprint(complaints_routes.blueprint)
    api.register_blueprint(transit_routes.blueprint)
    for blueprint in (settlement.blueprint, wechat_routes.blueprint, wechat_routes.callbacks):
        api.register_blueprint(blueprint)


def _session_is_live(caller: Caller) -> bool:
    return session_is_live(
        role=caller.role, subject_id=caller.subject_id, session_id=caller.session_id
    )


def _narrowed(caller: Caller) -> AbstractContextManager[None]:
    """Who works for a merchant sees that merchant's rows alone, whatever a query forgets."""
    if caller.role in {Role.CLERK, Role.MERCHANT_OWNER}:
        return merchants_queries.behind_wall(staff_id=caller.subject_id)
    return nullcontext()


def tell_redeemed(message: jobs.Message) -> None:
    """Tell the merchant's programs, then the citizen: a second try finds the first part done."""
    webhook_deliveries.spread(message)
    messages.send_redeemed(message)


def carry_out_dry_run(message: jobs.Message) -> None:
    """Try proposed rules on everybody; the message goes by the id of the dry run."""
    dry_runs.carry_out_dry_run(keys=key_provider(), dry_run_id=message.citizen_id)


def refresh_household(message: jobs.Message) -> None:
    """Follow a household whose adults have changed; the message goes by its head."""
    scoring.refresh_household(
        head_id=message.citizen_id, is_over=bool(message.payload["is_over"])
    )


@jobs.periodic("expire_holds", cron="* * * * * */30")
def expire_holds() -> None:
    """End the holds that are due."""
    _until_done(ledger.expire_due_holds)


@jobs.periodic("expire_vouchers", cron="* * * * *")
def expire_vouchers() -> None:
    """End the vouchers whose time is over."""
    _until_done(vouchers.expire_due_vouchers)


@jobs.periodic("service_orders", cron="* * * * * */30")
def keep_service_orders() -> None:
    """End the orders whose time is over; remind of what is due, and debit it."""
    _until_done(due.expire_due_orders)
    _until_done(due.remind_due_orders)
    _until_done(due.debit_due_orders)
    _until_done(due.ask_due_orders)


@jobs.periodic("send_webhooks", cron="* * * * * */2")
def send_webhooks() -> None:
    """Send the webhooks that are due."""
    webhook_dispatch.send_due(
        sender=webhooks_routes.sender(), keys=key_provider(), must_stop=jobs.must_stop
    )


@jobs.periodic("prune_webhooks", cron="47 * * * *")
def prune_webhooks() -> None:
    """Forget webhooks that are past their time."""
    _until_done(webhook_deliveries.prune_deliveries)


@jobs.periodic("publish_deny_list", cron="*/5 * * * *")
def publish_deny_list() -> None:
    """Tell scanners what not to take."""
    offline_lists.publish_deny_list(keys=key_provider())


@jobs.periodic("transit_files", cron="*/10 * * * *")
def make_transit_files() -> None:
    """Make the day's files for fare engines, soon after midnight in the city."""
    transit_files.make_due_files()


@jobs.periodic("prune_transit", cron="57 * * * *")
def prune_transit() -> None:
    """Delete files for fare engines, and trips, that were kept long enough."""
    transit_files.prune_files()
    settling.prune_trips()


@jobs.periodic("settle_trips", cron="*/10 * * * *")
def settle_trips() -> None:
    """Settle the days of trips of which nothing can come any more."""
    _until_done(settling.settle_due_days)


@jobs.periodic("prune_notices", cron="39 * * * *")
def prune_notices() -> None:
    """Forget notices of WeChat Pay that nobody sends any more."""
    pay_score.prune_notices()


@jobs.periodic("prune_scans", cron="27 * * * *")
def prune_scans() -> None:
    """Delete burnt codes, bad or refused scans and typed codes that are past their time."""
    pruning.prune_scans()
    _until_done(pruning.prune_refusals)


@jobs.periodic("prune_sessions", cron="33 * * * *")
def prune_sessions() -> None:
    """Delete sessions that are past their time."""
    _until_done(members.prune_sessions)


@jobs.periodic("take_deliveries", cron="* * * * * */2")
def take_deliveries() -> None:
    """Take the files that wait, in the order of their arrival, until none is left."""
    worker = delivery_worker(
        keys=key_provider(),
        lease_seconds=running_settings().job_stall_seconds,
        must_stop=jobs.must_stop,
    )
    for _ in work_off(worker=worker):
        pass  # each chunk is committed by itself


@jobs.periodic("prune_returned", cron="51 * * * *")
def prune_returned() -> None:
    """Forget refused rows that were not mended in time."""
    returning.prune_returned()


@jobs.periodic("prune_uploads", cron="43 * * * *")
def prune_uploads() -> None:
    """Delete files whose upload was broken off."""
    uploads.prune_uploads()


@jobs.periodic("prune_applications", cron="57 * * * *")
def prune_applications() -> None:
    """Forget contacts of applications, and codes of invitations, that are past their time."""
    applications.forget_contacts()
    employment.prune_invitations()


@jobs.periodic("prune_nonces", cron="*/10 * * * *")
def prune_nonces() -> None:
    """Forget the signed requests that are too old to be sent again."""
    members.prune_nonces()


@jobs.periodic("expire_points", cron="*/10 * * * *")
def expire_points() -> None:
    """Write down the points that expired, not ahead of deliveries that are still to come."""
    _until_done(partial(ledger.expire_due_lots, due_on=settled_day()))


@jobs.periodic("anchor_heads", cron="10 16 * * *")
def anchor_heads() -> None:
    """Commit to the heads of the ledger, ten minutes after midnight in the city."""
    ledger.anchor_heads()


@jobs.periodic("keep_scores", cron="* * * * *")
def keep_scores() -> None:
    """Keep stored scores right: a new scheme, the end of a validity at midnight in the city."""
    recomputations.keep_scores(at_once=recomputations.AT_ONCE)


@jobs.periodic("keep_ranks", cron="*/10 * * * *")
def keep_ranks() -> None:
    """Compute the ranks of periods that are over, once each."""
    ranks.keep_ranks()


@jobs.periodic("resume_dry_runs", cron="*/10 * * * *")
def resume_dry_runs() -> None:
    """Go on with dry runs whose worker died."""
    dry_runs.resume_dry_runs(keys=key_provider())


@jobs.periodic("publish", cron="*/5 * * * *")
def publish() -> None:
    """Publish new rules, catalogues, figures of each day and, of redemptions, of each month."""
    publications.publish_due(monthly={"redemptions": redemptions_publishing.figures_of_month})


@jobs.periodic("verify", cron="*/10 * * * *")
def verify() -> None:
    """Prove the ledger and the redemptions; compute some stored scores again; know the year."""
    checks.record_result(name="ledger", findings=ledger_queries.verify())
    checks.record_result(name="redemptions", findings=redemptions_queries.verify())
    checks.record_result(name="scores", findings=refreshing.verify(as_of=current_day()))
    checks.record_result(name="service_orders", findings=service_orders_queries.verify())
    for name, count in vars(offline_decisions.count_waiting()).items():
        checks.record_count(name=f"offline_{name}", count=count)
    checks.record_result(name="calendar", findings=working_days.unknown_years())


def _until_done(sweep: Callable[..., int]) -> None:
    for _ in range(SWEEPS_MAX):  # what is left comes with the next call
        if sweep(limit=SWEEP_BATCH) < SWEEP_BATCH:
            return


def _due_holds() -> dict[str, float]:
    """Gauge: holds that are due and still open, at most a thousand."""
    return {"holds_overdue": float(len(ledger_queries.due_holds(limit=HOLDS_COUNTED_MAX)))}


def _configure_watching(app: Flask, settings: Settings) -> None:
    head = MIGRATION_HEAD.read_text(encoding="utf-8").strip()
    health.configure_health(app, head=head, optional=_helpful_things(settings))
    metrics.configure_metrics(
        app,
        token=settings.metrics_token_secret,
        gauges=(
            queue_state, checks.check_state, _due_holds, webhook_state,
            offline_decisions.scan_state,
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
