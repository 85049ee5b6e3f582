"""The texts for telling sports grounds and car parks what somebody gets."""

from alembic import op

revision = "0116"
down_revision = "0115"
branch_labels = None
depends_on = None

TEXTS = (
    ("sports", "体育场馆和开放场地的学校", "信易动",
     "同意在体育场地出示服务码时，向场地管理单位告知是否享有入场便利及其内容。不告知信用分、姓名和证件号码，不涉及运动和健康信息。不同意或撤回不影响按普通方式登记入场。"),
    ("parking", "停车场和充电设施经营单位", "信易停",
     "同意在停车、充电时出示服务码，向经营单位告知免费时长或价格折扣。不告知信用分、姓名和证件号码，不涉及车牌和停车地点。不同意或撤回不影响按普通价格停车、充电。"),
)  # fmt: skip


def upgrade() -> None:
    for purpose, receiver, title, body in TEXTS:
        op.execute(f"""
        INSERT INTO consent_texts
            (purpose, version, receiver, required, sensitive, title, body, text_hash)
        VALUES ('{purpose}', 1, '{receiver}', false, false, '{title}', '{body}',
                sha256(convert_to('{title}' || chr(10) || '{body}', 'UTF8')))
        """)


def downgrade() -> None:
    """Decisions stay: they name the text by its hash."""
    op.execute("DELETE FROM consent_texts WHERE purpose IN ('sports', 'parking')")
