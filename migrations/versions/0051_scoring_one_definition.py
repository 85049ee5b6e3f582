"""Take away the chain of SQL functions: the score is written out from the rules for one as for all.

The release that brings decision 0017 computes every score by `app.scoring.totals` and calls none of
these; it needs no more of the database than the migration before this one.  Releases before it call
them for explanations, outlooks, past days, ranks and dry runs, and for storing the scores of schemes
with starting values, periods or decay.  A running city therefore goes in two steps, which the
runbook on deployment tells: first that release with the database at the migration before this one,
and when no older process is left, this migration.

The sources of households' records and members stay: they are what the statement reads.
"""

from alembic import context, op

revision = "0051"
down_revision = "0050"
branch_labels = None
depends_on = None

CHAIN = ("fed", "parts", "periods", "indicators", "dimensions", "totals", "lines")

GONE = "".join(
    f"-- squawk-ignore ban-drop-function\nDROP FUNCTION score_{subject}{link}(date, text, text);\n"
    for subject in ("household_", "")
    for link in CHAIN
) + "-- squawk-ignore ban-drop-function\nDROP FUNCTION score_mirror_households();\n"

BACK = """
ALTER FUNCTION score_lines(date, text, text) PARALLEL SAFE;
GRANT EXECUTE ON FUNCTION score_fed(date, text, text), score_parts(date, text, text),
    score_periods(date, text, text), score_indicators(date, text, text),
    score_dimensions(date, text, text), score_totals(date, text, text),
    score_lines(date, text, text) TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(GONE)


def downgrade() -> None:
    """Make them again, by the text of the migrations that made them."""
    rules, steps, households = (
        context.script.get_revision(revision).module for revision in ("0017", "0023", "0031")
    )
    for statements in (steps.FED, steps.PARTS, steps.INDICATORS, steps.TOTALS, rules.LINES):
        op.execute(statements.replace("DROP FUNCTION", "DROP FUNCTION IF EXISTS"))
    op.execute(BACK)
    op.execute(households.MIRROR)
    op.execute("SELECT score_mirror_households()")
