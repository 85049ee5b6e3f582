"""Write each migration's SQL to a file of its own, without a database: `render.py DIRECTORY`."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

MIGRATIONS = Path(__file__).parent


def rendered() -> dict[str, str]:
    """The SQL of every upgrade, by revision."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    found: dict[str, str] = {}
    for script in ScriptDirectory.from_config(config).walk_revisions():
        written = io.StringIO()
        context = MigrationContext.configure(
            dialect_name="postgresql",
            dialect_opts={"paramstyle": "named"},  # else each % is doubled
            opts={"as_sql": True, "output_buffer": written},
        )
        with Operations.context(context):
            script.module.upgrade()
        found[script.revision] = written.getvalue()
    return found


def main() -> None:
    directory = Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.glob("*.sql"):
        old.unlink()
    for revision, statements in rendered().items():
        (directory / f"{revision}.sql").write_text(_ours(statements), encoding="utf-8")


def _ours(statements: str) -> str:
    """Without Procrastinate's schema, which is frozen and not ours to lint."""
    for frozen in (MIGRATIONS / "sql").glob("*.sql"):
        written = frozen.read_text(encoding="utf-8").strip().replace("\t", "    ")  # as Alembic does
        statements = statements.replace(written, "")
    return statements


if __name__ == "__main__":
    main()
