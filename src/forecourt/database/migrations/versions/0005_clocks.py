"""Each version of a task is evaluated for itself, and clocks say that they live."""

from forecourt.database.schema import run

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = """
-- Two versions of an application may run for a while, in a deploy or by mistake. Each evaluates its own reading of a task; a due
-- time that both have is still one row of ticks.
ALTER TABLE forecourt.tasks
    ADD COLUMN begun_at timestamptz NOT NULL DEFAULT now(),
    DROP CONSTRAINT tasks_pkey,
    ADD PRIMARY KEY (name, fingerprint);

-- One beat a host. `heartbeat`: whether its timetable has a task of that name, which says more than a beat does.
CREATE TABLE forecourt.clocks (
    host      text        PRIMARY KEY,
    beat_at   timestamptz NOT NULL DEFAULT now(),
    heartbeat boolean     NOT NULL
) WITH (fillfactor = 50);
"""

DOWN = """
DROP TABLE forecourt.clocks;
DELETE FROM forecourt.tasks AS t
WHERE EXISTS (SELECT FROM forecourt.tasks AS o WHERE o.name = t.name AND (o.begun_at, o.fingerprint) > (t.begun_at, t.fingerprint));
ALTER TABLE forecourt.tasks
    DROP COLUMN begun_at,
    DROP CONSTRAINT tasks_pkey,
    ADD PRIMARY KEY (name);
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
