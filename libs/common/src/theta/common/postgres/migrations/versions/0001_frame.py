"""The frame: every table, the transition guards, the journal, the roles' rights."""

from pathlib import Path

from alembic import op

from theta.common.domain.orders import TRANSITIONS

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_HERE = Path(__file__).parent


def upgrade() -> None:
    connection = op.get_bind()
    for name in ("0001_tables.sql", "0001_guards.sql"):
        # The driver's own cursor: without parameters it does not look for placeholders in the text.
        connection.connection.cursor().execute((_HERE / name).read_text())
    for current, targets in TRANSITIONS.items():
        for target in sorted(targets):
            connection.exec_driver_sql(
                "insert into order_transition (from_state, to_state) values (%s, %s)",
                (current.value, target.value),
            )


def downgrade() -> None:
    raise RuntimeError("there is nothing before the first migration; restore a backup instead")
