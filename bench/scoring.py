"""How long scores take: all of a generated city, some thousand members, one explanation."""

from __future__ import annotations

from typing import Any

import psycopg

# Of every member an evaluation, five services, a donation and three other records; the days are
# spread over two years, so that a part of them is past its validity.
_RECORDS = """
    INSERT INTO records (citizen_id, record_type, record_number, version, is_void, event_on, item,
                         measures, content_digest, delivery_id, row_number, delivered_on)
    SELECT m.citizen_id, k.record_type, k.record_type || '-' || m.n || '-' || k.at, 1, false,
           DATE '2026-10-01' - (m.h %% 600 + k.at * 37 %% 200)::integer, k.item,
           CASE k.record_type
               WHEN 'public_credit' THEN jsonb_build_object(
                   'basic', (m.h %% 2000 / 10.0)::numeric(4,1)::text,
                   'duty', (m.h %% 1990 / 10.0)::numeric(4,1)::text,
                   'law', (m.h %% 1980 / 10.0)::numeric(4,1)::text,
                   'compliance', (m.h %% 1970 / 10.0)::numeric(4,1)::text,
                   'finance', (m.h %% 1960 / 10.0)::numeric(4,1)::text)
               WHEN 'volunteer_hours' THEN jsonb_build_object(
                   'hours', ((m.h + k.at) %% 240 / 10.0 + 0.1)::numeric(4,1)::text)
               WHEN 'charity_donations' THEN jsonb_build_object(
                   'yuan', ((m.h %% 100000) / 100.0 + 0.01)::numeric(8,2)::text)
               ELSE '{}' END,
           '\\x00', '00000000-0000-7000-8000-000000000001', (m.n * 10 + k.at), DATE '2026-10-02'
    FROM (SELECT n, md5('member ' || n)::uuid AS citizen_id, abs(hashint4(n))::bigint AS h
          FROM generate_series(1, %(members)s) n) m,
         (VALUES (1, 'public_credit', NULL), (2, 'volunteer_hours', NULL),
                 (3, 'volunteer_hours', NULL), (4, 'volunteer_hours', NULL),
                 (5, 'volunteer_hours', NULL), (6, 'volunteer_hours', NULL),
                 (7, 'community_service', NULL), (8, 'charity_donations', NULL),
                 (9, 'civility', '文明家庭/四星'), (10, 'honours', '县级'))
             AS k (at, record_type, item)
"""


def fill_population(admin: psycopg.Connection[Any], *, members: int) -> None:
    """Members with ten records each, the same whenever it is done again."""
    admin.execute(_RECORDS, {"members": members})
    admin.execute("VACUUM ANALYZE records")
