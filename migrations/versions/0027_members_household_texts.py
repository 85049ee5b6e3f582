"""What is agreed to for living under one score, and for being ranked."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

TEXTS = (
    ("household", "市民诚信卡平台", "家庭积分",
     "本人同意以所在家庭为单位计分：自同意之日起发生、归集到本人名下的记录计入家庭得分；家庭中其他已同意的成年人可以看到本人隐去部分文字的姓名、计入家庭得分的事项、日期和分值，看不到记录编号。家庭得分记在户主名下。本人可随时退出家庭，退出后本人的记录立即不再计入；户主退出的，家庭解散。不同意或退出不影响享受任何基本公共服务。"),
    ("ranking", "市民诚信卡平台", "参加位次评定",
     "本人同意在评分方案规定的期末，将得分与本村（社区）或全市其他同意参加者的得分比较，结果只告知本人（家庭为家庭中的成年人）：是否达到方案规定的位次。不公布名单，不告知他人的位次或得分。参加人数过少时不评定。本人可随时退出，退出后结果即行删除。家庭须全体成年人同意方可参加。不同意或退出不影响享受任何基本公共服务。"),
)  # fmt: skip


def upgrade() -> None:
    op.execute("ALTER FUNCTION citizen_consent_state(uuid, text) PARALLEL SAFE")
    for purpose, receiver, title, body in TEXTS:
        op.execute(f"""
        INSERT INTO consent_texts
            (purpose, version, receiver, required, sensitive, title, body, text_hash)
        VALUES ('{purpose}', 1, '{receiver}', false, false, '{title}', '{body}',
                sha256(convert_to('{title}' || chr(10) || '{body}', 'UTF8')))
        """)


def downgrade() -> None:
    """Decisions stay: they name the text by its hash."""
    op.execute("DELETE FROM consent_texts WHERE purpose IN ('household', 'ranking')")
    op.execute("ALTER FUNCTION citizen_consent_state(uuid, text) PARALLEL UNSAFE")
