"""The text for telling bus companies of a discount; when somebody last withdrew a consent."""

from alembic import op

revision = "0062"
down_revision = "0061"
branch_labels = None
depends_on = None

# Beside `transit_location`, which is about the trips and sensitive: each is agreed to by itself.
TITLE = "信易行 票价折扣"
BODY = (
    "同意向本人选择的公共交通企业告知随机生成的乘车账号、票价折扣比例和有效期，用于检票时计算优惠。"
    "不告知信用分、等级、姓名和证件号码。不同意或撤回不影响按普通票价乘车。"
)
WITHDRAWN = """
-- Null: never.  It stays the last one when the consent is given again later.
CREATE FUNCTION citizen_consent_withdrawn_at(citizen uuid, purpose_name text) RETURNS timestamptz
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT max(c.decided_at) FROM consents c
    WHERE c.citizen_id = citizen AND c.purpose = purpose_name AND c.decision = 'withdrawn'
$$;
REVOKE ALL ON FUNCTION citizen_consent_withdrawn_at(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION citizen_consent_withdrawn_at(uuid, text) TO card_web, card_job;
"""


def upgrade() -> None:
    op.execute(WITHDRAWN)
    op.execute(f"""
    INSERT INTO consent_texts
        (purpose, version, receiver, required, sensitive, title, body, text_hash)
    VALUES ('transit', 1, '公共交通企业', false, false, '{TITLE}', '{BODY}',
            sha256(convert_to('{TITLE}' || chr(10) || '{BODY}', 'UTF8')))
    """)


def downgrade() -> None:
    """Decisions stay: they name the text by its hash."""
    op.execute("DELETE FROM consent_texts WHERE purpose = 'transit'")
    op.execute("DROP FUNCTION citizen_consent_withdrawn_at(uuid, text)")
