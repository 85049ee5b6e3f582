"""What the worker does again and again, by the clock (UTC); `factory` has it registered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from app.config import running_settings
from app.counter import unanswered
from app.deaths import operations as deaths
from app.kernel import checks, jobs, working_days
from app.ledger import operations as ledger
from app.ledger import queries as ledger_queries
from app.library import pruning as library_pruning
from app.members import operations as members
from app.merchants import applications, employment
from app.records import returning, uploads
from app.records.queries import current_day, settled_day
from app.records.working import work_off
from app.redemptions import offline_decisions, offline_lists, pruning, vouchers
from app.redemptions import publishing as redemptions_publishing
from app.redemptions import queries as redemptions_queries
from app.repairs import endings
from app.rights import copies, journal, leaving
from app.scoring import (
    dry_runs,
    publications,
    ranks,
    recomputations,
    refreshing,
    retention,
)
from app.scoring.operations import delivery_worker
from app.service_orders import due
from app.service_orders import queries as service_orders_queries
from app.settlement import reconciling
from app.trail import heads, sealing, security, viewing
from app.trail import operations as trail
from app.transit import files as transit_files
from app.transit import settling
from app.web.keys import key_provider
from app.webhooks import deliveries as webhook_deliveries
from app.webhooks import dispatch as webhook_dispatch
from app.webhooks import routes as webhooks_routes
from app.wechat import pay_score

SWEEP_BATCH = 500
SWEEPS_MAX = 1_000


@jobs.periodic("expire_holds", cron="* * * * * */30")
def expire_holds() -> None:
    """End the holds that are due."""
    _until_done(ledger.expire_due_holds)


@jobs.periodic("expire_vouchers", cron="* * * * *")
def expire_vouchers() -> None:
    """End the vouchers whose time is over."""
    _until_done(vouchers.expire_due_vouchers)


@jobs.periodic("expire_old_vouchers", cron="37 * * * *")
def expire_old_vouchers() -> None:
    """End the vouchers whose time was over while nobody swept for a day."""
    _until_done(partial(vouchers.expire_due_vouchers, back=None))


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


@jobs.periodic("erase_those_who_left", cron="* * * * *")
def erase_those_who_left() -> None:
    """Write the deletion journal, then erase who stands in it."""
    path = running_settings().deletion_journal
    if path is not None:
        journal.write_journal(path)
    leaving.erase_due(limit=SWEEP_BATCH, is_journaled=path is not None)


@jobs.periodic("rest_unanswered", cron="23 * * * *")
def rest_unanswered() -> None:
    """Let rest who has not agreed in time to a required text that changed."""
    _until_done(unanswered.rest_due)


@jobs.periodic("end_permissions", cron="*/10 * * * *")
def end_permissions() -> None:
    """Tell WeChat Pay again who left, where it did not answer at once."""
    pay_score.end_standing(limit=SWEEP_BATCH)


@jobs.periodic("end_deaths", cron="19 * * * *")
def end_deaths() -> None:
    """Let those who have died go when their last day has come."""
    _until_done(deaths.end_due)


@jobs.periodic("tell_ended", cron="* * * * *")
def tell_ended() -> None:
    """See to adverse records that ended at midnight: scores without them, receivers told."""
    _until_done(endings.tell_ended)


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


@jobs.periodic("prune_copies", cron="*/10 * * * *")
def prune_copies() -> None:
    """Delete copies that nobody took within their day."""
    copies.prune_copies()


@jobs.periodic("prune_trail", cron="21 * * * *")
def prune_trail() -> None:
    """Delete lines of the trail that are past their five years."""
    _until_done(trail.prune_trail)


@jobs.periodic("prune_security", cron="31 * * * *")
def prune_security() -> None:
    """Delete events of the log of security that are past their year."""
    _until_done(security.prune_security)


@jobs.periodic("seal_trail", cron="* * * * *")
def seal_trail() -> None:
    """Put what came into the trail under seals."""
    sealing.seal_lines()


@jobs.periodic("keep_heads", cron="*/10 * * * *")
def keep_heads() -> None:
    """Write down outside of the database which seals are the newest."""
    path = running_settings().trail_heads
    if path is not None:
        heads.write_heads(path, keys=key_provider())


@jobs.periodic("prune_waivers", cron="23 * * * *")
def prune_waivers() -> None:
    """Delete returned waivers of deposits that are past their time."""
    library_pruning.prune_waivers()


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


@jobs.periodic("expire_records", cron="11 * * * *")
def expire_records() -> None:
    """Delete records whose retention is over; scores are computed anew without them."""
    retention.expire_due_records(limit=SWEEP_BATCH)


@jobs.periodic("prune_sign_ins", cron="41 * * * *")
def prune_sign_ins() -> None:
    """Forget tries to sign in, and clients that nobody signed in from for a month."""
    members.prune_sign_ins()


@jobs.periodic("prune_views", cron="*/10 * * * *")
def prune_views() -> None:
    """Forget whom an account read more than an hour ago: the trail knows."""
    viewing.prune_views()


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


@jobs.periodic("reconcile", cron="40 2,16 * * *")
def reconcile() -> None:
    """Reconcile the days that are due: after midnight in the city, and when bills are made."""
    reconciling.reconcile_due(pay_score=pay_score, must_stop=jobs.must_stop)


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
    """Publish new rules, catalogues, figures and heads of each day, redemptions of each month."""
    publications.publish_due(
        daily={"trail": sealing.heads_of_day},
        monthly={"redemptions": redemptions_publishing.figures_of_month},
    )


@jobs.periodic("verify", cron="*/10 * * * *")
def verify() -> None:
    """Prove the ledger, the redemptions, the trail; compute some scores again; know the year."""
    checks.record_result(name="ledger", findings=ledger_queries.verify())
    checks.record_result(name="redemptions", findings=redemptions_queries.verify())
    checks.record_result(name="scores", findings=refreshing.verify(as_of=current_day()))
    checks.record_result(name="service_orders", findings=service_orders_queries.verify())
    checks.record_result(name="trail", findings=_faults_of_trail())
    for name, count in vars(offline_decisions.count_waiting()).items():
        checks.record_count(name=f"offline_{name}", count=count)
    checks.record_result(name="calendar", findings=working_days.unknown_years())


def _faults_of_trail() -> list[object]:
    path = running_settings().trail_heads
    outside = [] if path is None else heads.verify_heads(path, keys=key_provider(), whole=False)
    return [*sealing.verify(whole=False), *outside]


def _until_done(sweep: Callable[..., int]) -> None:
    for _ in range(SWEEPS_MAX):  # what is left comes with the next call
        if sweep(limit=SWEEP_BATCH) < SWEEP_BATCH:
            return
