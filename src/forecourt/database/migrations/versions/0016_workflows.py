"""Workflows: calls that wait for several others."""

from forecourt.database.schema import run

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

UP = """
CREATE TABLE forecourt.workflows (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text        NOT NULL,
    on_failure   jsonb,
    created_at   timestamptz NOT NULL DEFAULT now(),
    failed_at    timestamptz,
    cancelled_at timestamptz
);

-- `awaits` is how many of the steps before it have not succeeded; at none, its call is entered. `plan` is the call to be, in which
-- `results` names the steps whose results are arguments.
CREATE TABLE forecourt.steps (
    workflow_id bigint    NOT NULL REFERENCES forecourt.workflows ON DELETE CASCADE,
    step        integer   NOT NULL,
    plan        jsonb     NOT NULL,
    followers   integer[] NOT NULL,
    awaits      integer   NOT NULL,
    state       text      NOT NULL DEFAULT 'blocked' CHECK (state IN ('blocked', 'entered', 'succeeded', 'failed', 'cancelled')),
    call_id     bigint,
    result      jsonb,
    ended_at    timestamptz,
    PRIMARY KEY (workflow_id, step)
);
CREATE INDEX steps_by_call ON forecourt.steps (call_id);
"""

DOWN = """
DROP TABLE forecourt.steps, forecourt.workflows;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
