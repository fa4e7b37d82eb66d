"""Each kind of trouble that the guide names is made, told in one message, mended, and told to be
over in another.
"""

import psycopg
import pytest

from forecourt.app import load
from forecourt.doctor import place
from forecourt.settings import settings
from forecourt.watch.watcher import Watcher
from smtp_sink import SmtpSink

MARKETPLACE = "forecourt.marketplace.app:app"

TROUBLES = """
INSERT INTO forecourt.clocks (host, beat_at, heartbeat) VALUES ('h', now() + interval '1 hour', true);
INSERT INTO forecourt.tasks (name, fingerprint, evaluated_until)
VALUES ('cleanup_soft_deleted', %(fingerprint)s, now() - interval '2 days');
INSERT INTO forecourt.ready (id, job, queue, ready_at) VALUES
    (700, 'j', 'high', now() - interval '20 minutes'),
    (701, 'generate_sitemap', 'default', now());
INSERT INTO forecourt.ticks (task, due_at, status, call_id) VALUES
    ('generate_sitemap', now() - interval '10 minutes', 'enqueued', 701);
INSERT INTO forecourt.ticks (task, due_at, status, why, finished_at) VALUES
    ('expire_sponsored_listings', now(), 'failed', 'no room', now()),
    ('expire_featured_listings', now(), 'missed', 'nobody was there', now());
INSERT INTO forecourt.failed (job, queue, error, message) VALUES ('greet', 'low', 'OSError', 'no books');
INSERT INTO public.sitemap_runs (urls, files, bytes, published_at) VALUES (1, 1, 1, now() - interval '4 days');
INSERT INTO public.analytics_days (date, events, aggregated_at) VALUES (now()::date - 9, 1, now());
CREATE TABLE public.car_listing_analytics_20200101 PARTITION OF public.car_listing_analytics
    FOR VALUES FROM ('2020-01-01 00:00+00') TO ('2020-01-02 00:00+00');
INSERT INTO public.mail_outages (server, until, why) VALUES ('SMTP server mail:25', now() + interval '1 day', 'refused');
"""

MENDED = """
UPDATE forecourt.tasks SET evaluated_until = now() + interval '1 day';
DELETE FROM forecourt.ready;
UPDATE forecourt.ticks SET status = 'succeeded', why = NULL, started_at = now(), finished_at = now();
INSERT INTO forecourt.ticks (task, due_at, status, finished_at) VALUES ('heartbeat', now(), 'succeeded', now());
INSERT INTO public.sitemap_runs (urls, files, bytes) VALUES (1, 1, 1);
INSERT INTO public.analytics_days (date, events, aggregated_at) VALUES (now()::date - 1, 1, now());
DROP TABLE public.car_listing_analytics_20200101;
DELETE FROM public.mail_outages;
INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks, beat_at)
VALUES ('h', '', 1, '', 4, '{high,medium,low,default}', '0', '', now() + interval '1 hour');
"""

EARLIER = """
UPDATE forecourt.watches SET looked_at = looked_at - interval '10 minutes';
UPDATE forecourt.alerts
SET began_at = began_at - interval '10 minutes', well_since = well_since - interval '10 minutes';
UPDATE forecourt.alert_messages SET created_at = created_at - interval '10 minutes'
"""

LASTING = {
    "workers": "0 alive",
    "queue high": "nobody serves it",
    "late cleanup_soft_deleted": "no clock has looked",
    "late generate_sitemap": "waits for a worker",
    "task expire_sponsored_listings": "no room",
    "task expire_featured_listings": "nobody was there",
    "heartbeat": "never succeeded",
    "sitemap": "4 d",
    "archive": "the oldest events are",
    "roll-up": "the last day was 9 days ago",
    "mails": "SMTP server mail:25 does not answer",
    "disk": "% free",
}
"""What is told of each trouble."""


def test_each_kind_of_trouble_is_told_once_and_its_end_once(
    sink: SmtpSink, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_APP", MARKETPLACE)
    settings.cache_clear()
    monkeypatch.setattr(place, "ROOM", 100.1)
    settings().public.mkdir(parents=True)
    (settings().public / "sitemap.xml").touch()
    fingerprint = load().timetable["cleanup_soft_deleted"].fingerprint
    watcher = Watcher(load)

    def told() -> list[str]:
        tx.execute(EARLIER)
        watcher.run_once()
        said = [message.get_content() for message in sink.messages]
        sink.messages.clear()
        return said

    for statement in TROUBLES.split(";\n"):
        tx.execute(statement.encode(), {"fingerprint": fingerprint} if "%(" in statement else None)
    [at_once] = told()
    assert "failure OSError greet: new, 1 call: no books" in at_once
    assert "workers" not in at_once, "it may go by itself"
    began = told()
    lines = "".join(began).splitlines()
    for subject, words in LASTING.items():
        named = [line for line in lines if line[2:].startswith(f"{subject}: ")]
        assert len(named) == 1, (subject, lines)
        assert words in named[0]
    assert "OSError" not in "".join(began)
    assert told() == [], "one message an episode"
    monkeypatch.setattr(place, "ROOM", 0.0)
    for statement in MENDED.split(";\n"):
        tx.execute(statement.encode())
    assert told() == [], "it may come back"
    assert told() == [], "a worker lives now, and has a minute to send it"
    ended = "".join(told())
    for subject in LASTING:
        assert ended.count(f"✓ {subject} is well again") == 1, (subject, ended)
    assert told() == []
