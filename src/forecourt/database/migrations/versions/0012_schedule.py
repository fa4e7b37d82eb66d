"""Deadlines of due times, each application's timetable, and tasks that are added while it runs."""

from forecourt.database.schema import run

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = """
ALTER TABLE forecourt.ticks
    ADD COLUMN deadline_at timestamptz,
    ADD COLUMN overdue_at timestamptz;

-- Only runs that are still open and whose task has a deadline: every clock looks here in every round.
CREATE INDEX ticks_by_deadline ON forecourt.ticks (deadline_at) 
    WHERE deadline_at IS NOT NULL AND finished_at IS NULL AND overdue_at IS NULL;

-- Each application's timetable as its clock last knew it: what a new version is compared with.
CREATE TABLE forecourt.timetables (
    application text        PRIMARY KEY,
    tasks       jsonb       NOT NULL,
    declared_at timestamptz NOT NULL DEFAULT now()
);

-- Tasks that were added while the application ran. Few, and read by each clock whenever one has changed.
CREATE TABLE forecourt.stored_tasks (
    name        text        PRIMARY KEY,
    job         text        NOT NULL,
    args        jsonb       NOT NULL,
    cron        text        NOT NULL,
    timezone    text,
    queue       text,
    priority    smallint,
    description text        NOT NULL,
    changed_by  text        NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""

DOWN = """
DROP TABLE forecourt.stored_tasks, forecourt.timetables;
ALTER TABLE forecourt.ticks DROP COLUMN deadline_at, DROP COLUMN overdue_at;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
