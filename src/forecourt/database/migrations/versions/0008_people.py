"""People who may look at the pages, and their sessions."""

from forecourt.database.schema import run

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE forecourt.people (
    name       text        PRIMARY KEY,
    role       text        NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    password   text        NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

-- Of a session the browser has the token, and we its digest: who reads this table cannot sign in with it.
CREATE TABLE forecourt.sessions (
    digest   bytea       PRIMARY KEY,
    person   text        NOT NULL REFERENCES forecourt.people (name) ON DELETE CASCADE,
    begun_at timestamptz NOT NULL DEFAULT now(),
    ends_at  timestamptz NOT NULL
);
CREATE INDEX sessions_by_person ON forecourt.sessions (person);

-- How often somebody has tried in vain. Worth nothing after a crash, so it is not logged.
CREATE UNLOGGED TABLE forecourt.login_failures (
    key     text        PRIMARY KEY,
    tries   integer     NOT NULL,
    ends_at timestamptz NOT NULL
);
"""

DOWN = """
DROP TABLE forecourt.login_failures, forecourt.sessions, forecourt.people;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
