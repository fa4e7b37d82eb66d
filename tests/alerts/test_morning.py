"""Whoever slept finds a mail in the morning, in their language, that is honest about what it does
not know.
"""

from datetime import datetime, timedelta
from xml.etree import ElementTree

import psycopg
import pytest

from fleet import work_until_empty
from forecourt import Forecourt, Timetable
from forecourt.alerts import morning
from forecourt.settings import settings
from forecourt.web.morning import compose
from scene import set_scene
from smtp_sink import SmtpSink


@pytest.fixture
def now(tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A marketplace in the middle of its night."""
    monkeypatch.setenv("FORECOURT_TIMEZONE", "Asia/Damascus")
    settings.cache_clear()
    with tx.transaction():
        set_scene(tx)
    return tx.execute("SELECT now()").fetchone()[0]


def test_the_report_tells_each_duty_of_the_day_in_both_languages(now: datetime, tx: psycopg.Connection) -> None:
    sitemap = "FROM forecourt.ticks WHERE task = 'generate_sitemap' ORDER BY due_at DESC LIMIT 1"
    tx.execute(
        f"UPDATE forecourt.ticks SET status = 'failed', why = 'OSError: no room' WHERE id = (SELECT id {sitemap})"
    )
    tx.execute(
        "UPDATE forecourt.ticks SET finished_at = started_at + interval '9 minutes'"
        " WHERE id = (SELECT id FROM forecourt.ticks WHERE task = 'sweep_storage' ORDER BY due_at DESC LIMIT 1)"
    )
    subject, text, html = compose(tx, now, "en")
    assert subject.startswith("The night of ")
    assert ": wrong now 1, failed 1, slow 1, " in subject
    lines = text.splitlines()
    failed = next(line for line in lines if "Publishes the sitemap · failed" in line)
    assert failed.startswith("✕ ")
    assert failed.endswith("OSError: no room")
    assert any("Removes files" in line and "slow · 9 min (usually " in line for line in lines)
    assert any("Deletes what was in the trash for long enough · done" in line and "listings" in line for line in lines)
    assert any("BadPicture · process_car_images" in line for line in lines)
    assert any("to come · about " in line and line.endswith(" expected") for line in lines)
    assert "queue high: oldest call waits for 4 min" in text
    assert "<bdi>OSError: no room</bdi>" in html

    subject, text, html = compose(tx, now, "ar")
    assert subject.startswith("ليلة ")
    assert "فشل 1، بطيء 1، " in subject
    assert any("تنشر خريطة الموقع · فشل" in line for line in text.splitlines())
    assert any("انتهى" in line and "انتهت مدتها: " in line for line in text.splitlines())
    assert 'lang="ar" dir="rtl"' in html
    assert "الساعات الأربع والعشرون القادمة" in html


def test_what_was_due_and_left_no_trace_is_said_and_what_nobody_promised_is_not(
    now: datetime, tx: psycopg.Connection
) -> None:
    tx.execute("DELETE FROM forecourt.ticks WHERE task IN ('generate_sitemap', 'sweep_storage')")
    tx.execute(
        "INSERT INTO forecourt.tasks (name, fingerprint, begun_at) VALUES"
        " ('generate_sitemap', 'f', now() - interval '9 days'), ('sweep_storage', 'f', now())"
    )
    lines = compose(tx, now, "en")[1].splitlines()
    [unknown] = [line for line in lines if "not known" in line and line.startswith("? ")]
    assert "Publishes the sitemap · not known · It was due, and there is no trace of a run." in unknown
    assert not any("Removes files" in line and "to come" not in line for line in lines)


def test_an_empty_house_has_an_honest_report(tx: psycopg.Connection) -> None:
    now = tx.execute("SELECT now()").fetchone()[0]
    subject, text, _ = compose(tx, now + timedelta(days=1), "en")
    assert "Nothing ran." in text
    assert "✕ workers: 0 alive\n  Start one: forecourt queue work" in text
    assert text.index("0 alive") < text.index("What ran since"), "what is wrong stands before what went well"
    assert "wrong now " in subject


def test_hostile_words_stay_words(now: datetime, tx: psycopg.Connection) -> None:
    tx.execute(
        "UPDATE forecourt.ticks SET status = 'failed', why = %s WHERE due_at > now() - interval '1 day' AND task <> 'heartbeat'",
        ("<script>alert(1)</script>\n\u202eevil " + "x" * 100_000,),
    )
    subject, text, html = compose(tx, now, "ar")
    assert "<script>" not in html
    assert "\u202e" not in text + html
    assert len(html) < 60_000
    assert len(subject) < 200
    ElementTree.fromstring(html[html.index("<table") : html.rindex("</body>")].replace("<br>", "<br/>"))


def test_everybody_gets_their_own_mail_by_a_call_of_their_own(
    sink: SmtpSink, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert morning.report.name not in Forecourt(Timetable()).timetable, "who names nobody has no such task"
    monkeypatch.setenv("FORECOURT_REPORT_MAIL", "anna@cars.example, omar@cars.example ar")
    settings.cache_clear()
    app = Forecourt(Timetable("Asia/Damascus"), queues=("high", "low"))
    task = app.timetable[morning.report.name]
    assert (task.sentence, task.args) == ("Daily at 07:00", {"queue": "low"})
    morning.report.using(session=tx, queue="low").dispatch(**task.args)
    work_until_empty(app="workshop:app")
    assert sorted(sink.recipients) == ["anna@cars.example", "omar@cars.example"]
    by_reader = {message["To"]: message for message in sink.messages}
    assert by_reader["omar@cars.example"]["Subject"].startswith("ليلة ")
    assert by_reader["anna@cars.example"]["Content-Language"] == "en"
    assert by_reader["anna@cars.example"]["Message-ID"] != by_reader["omar@cars.example"]["Message-ID"]
