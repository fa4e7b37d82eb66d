"""Counts that only grow, for metrics; and what an operator was told without having asked."""

from forecourt.database.schema import run

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UP = """
-- The sums of all minutes before `counted.until`. Minutes are forgotten after a month, and a counter must not go back.
CREATE TABLE forecourt.totals (
    queue        text   NOT NULL,
    job          text   NOT NULL,
    finished     bigint NOT NULL,
    discarded    bigint NOT NULL,
    retried      bigint NOT NULL,
    failed       bigint NOT NULL,
    released     bigint NOT NULL,
    late         bigint NOT NULL,
    run_seconds  double precision NOT NULL,
    wait_seconds double precision NOT NULL,
    run_buckets  bigint[] NOT NULL,
    wait_buckets bigint[] NOT NULL,
    PRIMARY KEY (queue, job)
);
CREATE TABLE forecourt.counted (
    only_row boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    until    timestamptz NOT NULL
);
INSERT INTO forecourt.counted (until) VALUES ('-infinity');

-- A trouble from its first sight to its end, as one application's clocks and web servers see it: another has other tasks.
-- `told_status` is what the operator knows of it, NULL while nobody was told. One that does not last has no end worth telling.
CREATE TABLE forecourt.alerts (
    id          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    began_at    timestamptz NOT NULL,
    told_at     timestamptz,
    well_since  timestamptz,
    ended_at    timestamptz,
    lasts       boolean     NOT NULL,
    application text        NOT NULL,
    subject     text        NOT NULL,
    status      text        NOT NULL CHECK (status IN ('warn', 'fail')),
    told_status text        CHECK (told_status IN ('warn', 'fail')),
    found       text        NOT NULL,
    advice      text        NOT NULL
);
CREATE UNIQUE INDEX alerts_open ON forecourt.alerts (application, subject) WHERE ended_at IS NULL;

-- What is told by one channel. Whoever sends it holds the row meanwhile: it is sent once, by a worker or by whoever watches.
CREATE TABLE forecourt.alert_messages (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    tried_at   timestamptz,
    sent_at    timestamptz,
    channel    text        NOT NULL CHECK (channel IN ('mail', 'webhook')),
    content    jsonb       NOT NULL
);
CREATE INDEX alert_messages_unsent ON forecourt.alert_messages (id) WHERE sent_at IS NULL;

-- When somebody last looked for an application's troubles: of its clocks and web servers one at a time does.
CREATE TABLE forecourt.watches (
    application text        PRIMARY KEY,
    looked_at   timestamptz NOT NULL
);
"""

DOWN = """
DROP TABLE forecourt.watches, forecourt.alert_messages, forecourt.alerts, forecourt.counted, forecourt.totals;
"""


def upgrade() -> None:
    run(UP)


def downgrade() -> None:
    run(DOWN)
