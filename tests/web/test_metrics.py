"""What a Prometheus is told: right names, right figures, and counters that never go back."""

import re
import shutil
import subprocess
from collections.abc import Callable

import httpx
import psycopg
import pytest

from forecourt.store import minutes, totals
from forecourt.store.minutes import Tally
from forecourt.web.metrics.exposition import Distribution, Family, written

Ask = Callable[[], dict[str, float]]


def read(text: str) -> dict[str, float]:
    """Each sample by its name and labels, as they are written."""
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in text.splitlines() if line[:1] != "#"}


@pytest.fixture
def ask(pages: httpx.Client) -> Ask:
    def scrape() -> dict[str, float]:
        answer = pages.get("/metrics")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        return read(answer.text)

    return scrape


def test_a_night_in_figures(scene: dict[str, int], ask: Ask, pages: httpx.Client, tx: psycopg.Connection) -> None:
    tx.execute(
        "INSERT INTO forecourt.pauses (kind, name, who) VALUES ('queue', 'low', 'anna'), ('group', 'analytics', 'anna')"
    )
    found = ask()
    assert found['forecourt_queue_calls{queue="high",state="ready"}'] == 1204
    assert found['forecourt_queue_calls{queue="low",state="scheduled"}'] == 41
    assert found['forecourt_queue_calls{queue="high",state="running"}'] == 12
    assert 240 <= found['forecourt_queue_oldest_ready_seconds{queue="high"}'] < 400
    assert found['forecourt_queue_limit_seconds{queue="high"}'] == 60
    assert (found['forecourt_queue_paused{queue="low"}'], found['forecourt_queue_paused{queue="high"}']) == (1, 0)
    assert (found['forecourt_workers{state="alive"}'], found['forecourt_workers{state="silent"}']) == (3, 0)
    assert (found["forecourt_slots"], found["forecourt_slots_busy"]) == (12, 12)
    assert found['forecourt_call_longest_running_seconds{queue="high",job_name="process_car_images"}'] > 100
    assert found['forecourt_task_paused{task="archive_old_analytics"}'] == 1
    assert found['forecourt_task_open_seconds{task="generate_sitemap"}'] == 0
    now = tx.execute("SELECT extract(epoch FROM now())").fetchone()[0]
    assert found['forecourt_task_last_success_timestamp_seconds{task="heartbeat"}'] > now - 300
    assert found['forecourt_task_last_failure_timestamp_seconds{task="cleanup_soft_deleted"}'] < now
    assert found['forecourt_task_next_due_timestamp_seconds{task="generate_sitemap"}'] > now - 60
    assert found['forecourt_task_last_duration_seconds{task="generate_sitemap"}'] >= 3
    assert found["forecourt_database_size_bytes"] > 1_000_000
    assert found["forecourt_wallets_low"] == 0
    assert 0 < found["forecourt_scrape_duration_seconds"] < 2.5
    silent = "UPDATE forecourt.workers SET beat_at = now() - interval '40 seconds' WHERE host = 'night-1'"
    tx.execute(silent)
    assert ask()['forecourt_workers{state="silent"}'] == 1


def test_counters_and_histograms_sum_all_workers_and_outlive_the_minutes(ask: Ask, tx: psycopg.Connection) -> None:
    tally = Tally(finished=2, failed=1, retried=3, run_seconds=0.5, wait_seconds=7.0)
    tally.run_buckets[0] = tally.wait_buckets[-1] = 6
    for worker in (512, 513, 1024):
        minutes.add(tx, worker, {("low", "greet"): tally})
    name = '{queue="low",job_name="greet"'
    before = ask()
    assert before[f'forecourt_calls_total{name},outcome="finished"}}'] == 6
    assert before[f'forecourt_calls_total{name},outcome="failed"}}'] == 3
    assert before[f"forecourt_call_run_seconds_sum{name}}}"] == 1.5
    assert before[f'forecourt_call_run_seconds_bucket{name},le="0.01"}}'] == 18
    assert before[f'forecourt_call_wait_seconds_bucket{name},le="3600"}}'] == 0
    assert before[f'forecourt_call_wait_seconds_bucket{name},le="+Inf"}}'] == 18

    def of_greet(found: dict[str, float]) -> dict[str, float]:
        return {series: value for series, value in found.items() if name in series}

    totals.fold(tx)
    assert of_greet(ask()) == of_greet(before), "minutes to which somebody may still add are not summed up"
    tx.execute("UPDATE forecourt.minutes SET minute = minute - interval '2 hours'")
    tx.execute("UPDATE forecourt.counted SET until = '-infinity'")
    assert totals.fold(tx) == 1
    assert totals.fold(tx) == 0
    assert of_greet(ask()) == of_greet(before)
    tx.execute("DELETE FROM forecourt.minutes")
    minutes.add(tx, 512, {("low", "greet"): tally})
    assert ask()[f'forecourt_calls_total{name},outcome="finished"}}'] == 8


def test_a_due_time_that_no_clock_looked_at_is_overdue(ask: Ask, tx: psycopg.Connection) -> None:
    from forecourt.marketplace.timetable import timetable

    task = timetable["heartbeat"]
    tx.execute(
        "INSERT INTO forecourt.tasks (name, fingerprint, evaluated_until) VALUES ('heartbeat', %s, now() - interval '1 hour')",
        (task.fingerprint,),
    )
    tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, call_id)"
        " VALUES ('heartbeat', now() - interval '2 hours', 'enqueued', 7)"
    )
    found = ask()
    assert 3500 < found['forecourt_task_overdue_seconds{task="heartbeat"}'] < 3700
    assert found['forecourt_task_open_seconds{task="heartbeat"}'] > 7000


def test_hostile_names_stay_in_their_label() -> None:
    text = written([Family("f", "gauge", "one\nline", [({"job": 'a"b\\c\nd'}, 0.25)])])
    assert text == '# HELP f one\\nline\n# TYPE f gauge\nf{job="a\\"b\\\\c\\nd"} 0.25\n'
    told = written([Family("h", "histogram", "h", [({}, Distribution((0.5, 1), [1, 2, 3], 9.5))])])
    assert told.splitlines()[2:] == [
        'h_bucket{le="0.5"} 1', 'h_bucket{le="1"} 3', 'h_bucket{le="+Inf"} 6', "h_sum 9.5", "h_count 6",
    ]  # fmt: skip


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed: apt-get install prometheus")
def test_promtool_finds_nothing_to_say(scene: dict[str, int], pages: httpx.Client) -> None:
    text = pages.get("/metrics").text
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert all(
        re.fullmatch(r"forecourt_[a-z_]+", line.split()[2]) for line in text.splitlines() if line[:6] == "# TYPE"
    )
