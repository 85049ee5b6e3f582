"""The routes of ranks: to take part or not, and what each is told alone."""

from __future__ import annotations

from app.scoring import rank_schemas, ranks
from app.web import limits
from app.web.auth import Role, allow, caller
from app.web.openapi import API_PREFIX, Blueprint

blueprint = Blueprint("ranks", __name__, url_prefix=API_PREFIX)


@blueprint.route("/me/ranks", methods=["GET"])
@allow(Role.CITIZEN)
@blueprint.response(200, rank_schemas.ToldRanks)
def show_ranks() -> ranks.ToldRanks:
    """Whether the caller, or the caller's household, reached the ranks of the last periods."""
    return ranks.open_ranks(citizen_id=caller().subject_id)


@blueprint.route("/me/ranks", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.arguments(rank_schemas.RankingAgreement)
@blueprint.response(200, rank_schemas.ToldRanks)
@blueprint.refuses(403)
def take_part(body: dict[str, int]) -> ranks.ToldRanks:
    """Agree to be ranked; a household takes part when every adult in it agrees."""
    return ranks.take_part(citizen_id=caller().subject_id, **body)


@blueprint.route("/me/ranks/leave", methods=["POST"])
@allow(Role.CITIZEN)
@limits.per_caller("20/hour")
@blueprint.response(204)
def stop_taking_part() -> None:
    """Withdraw the consent at once; what was computed is deleted."""
    ranks.stop_taking_part(citizen_id=caller().subject_id)
