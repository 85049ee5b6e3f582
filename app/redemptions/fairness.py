"""The audit of equal treatment (R13): the published table alone says price and value.

A voucher keeps what was promised at its claim.  Where members stand is known since their score, or
a record of an honour, was written last: claims after that are compared with each other, all claims
with the table.  Either is written by a transaction that began earlier, so claims in the first
minutes after it do not count.
"""

from __future__ import annotations

from typing import Final

# Each gives citizen_id, voucher_id, message, as the checks of `app.redemptions.proof` do.
OFF_THE_TABLE: Final = """
    SELECT v.citizen_id, v.voucher_id, CASE
        WHEN v.price_points <> b.price_points THEN 'a price that its version does not publish'
        ELSE 'a value that its version does not publish' END
    FROM vouchers v
    JOIN (SELECT r.benefit_id, r.price_points, array_agg(r.value) AS published
          FROM benefit_rungs r GROUP BY r.benefit_id, r.price_points) b
        ON b.benefit_id = v.benefit_id
    WHERE v.price_points <> b.price_points OR v.value <> ALL (b.published)
"""
# Who had not agreed that the receiver is told gets the baseline like everybody without a tier: of a
# benefit that asks for it, baselines are left out.
UNEQUAL: Final = """
    SELECT c.citizen_id, c.voucher_id, 'of ' || c.benefit_code || ' version ' || c.benefit_version
        || ' another price or value than voucher ' || c.first_id
        || ' of the same tier, step or honour'
    FROM (
        SELECT v.*, first_value(v.voucher_id) OVER equals AS first_id,
            first_value(v.value) OVER equals AS first_value,
            first_value(v.price_points) OVER equals AS first_points
        FROM (
            SELECT v.citizen_id, v.voucher_id, v.benefit_id, v.benefit_code, v.benefit_version,
                v.value, v.price_points, v.claimed_at,
                coalesce('honour ' || honour.place, step.least_score::text, tier.tier, '') AS rung
            FROM vouchers v
            JOIN citizens_joined((now() AT TIME ZONE 'Asia/Shanghai')::date) j
                ON j.citizen_id = v.citizen_id
            JOIN benefit_rungs base ON base.benefit_id = v.benefit_id
                AND base.tier IS NULL AND base.least_score IS NULL AND base.honour IS NULL
            LEFT JOIN score_standings s ON s.citizen_id = v.citizen_id
            LEFT JOIN benefit_rungs tier ON tier.benefit_id = v.benefit_id AND tier.tier = s.tier
            LEFT JOIN LATERAL (
                SELECT max(r.least_score) AS least_score FROM benefit_rungs r
                WHERE r.benefit_id = v.benefit_id AND r.least_score <= s.total
            ) step ON true
            LEFT JOIN LATERAL (
                SELECT benefit_honour_since(v.citizen_id, v.benefit_id) AS since_at, benefit_honour(
                    v.citizen_id, v.benefit_id, (v.claimed_at AT TIME ZONE 'Asia/Shanghai')::date
                ) AS place WHERE base.has_honours
            ) honour ON true
            WHERE coalesce(
                greatest(s.since_at, honour.since_at) <= v.claimed_at - interval '10 minutes', true)
              AND (base.is_for_all OR v.value <> base.value)
        ) v
        WINDOW equals AS (PARTITION BY v.benefit_id, v.rung ORDER BY v.claimed_at, v.voucher_id)
    ) c
    WHERE c.value <> c.first_value OR c.price_points <> c.first_points
"""
CHECKS: Final = (("R13", OFF_THE_TABLE), ("R13", UNEQUAL))
