"""Tokens by which programs ask, and what each may do."""

from forecourt.database.schema import run

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

UP = """
-- Of a token the program has the text, and we its digest: who reads this table cannot ask with it.
CREATE TABLE forecourt.tokens (
    name       text        PRIMARY KEY,
    digest     bytea       NOT NULL UNIQUE,
    scopes     text[]      NOT NULL CHECK (cardinality(scopes) > 0),
    created_by text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz,
    used_at    timestamptz
);
"""

DOWN = """
DROP TABLE forecourt.tokens;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
