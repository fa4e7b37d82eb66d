"""Each button does what it says, as the command beside it would, and leaves a row in the audit."""

import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import psycopg

from fleet import work_until_empty
from forecourt.marketplace.timetable import timetable
from serving import OURS

Post = Callable[..., str]
WHO = "this machine (web)"


def audited(tx: psycopg.Connection) -> tuple[str, str, dict[str, object], int | None]:
    """The last row of the audit: who, what, of what, how many."""
    return tx.execute("SELECT who, action, target, count FROM forecourt.audit ORDER BY id DESC LIMIT 1").fetchone()


def one(tx: psycopg.Connection, query: str, *parameters: object) -> object:
    row = tx.execute(query, parameters).fetchone()
    return row and row[0]


def failed(tx: psycopg.Connection, count: int, job: str = "nothing", error: str = "ValueError") -> list[int]:
    rows = tx.execute(
        "INSERT INTO forecourt.failed (job, queue, error, message, attempts)"
        " SELECT %s, 'default', %s, 'no', 1 FROM generate_series(1, %s) RETURNING id",
        (job, error, count),
    )
    return [row[0] for row in rows]


def test_a_queue_is_paused_with_end_and_reason_and_undo_resumes_it(post: Post, tx: psycopg.Connection) -> None:
    page = post("/queues/pause", queue="high", minutes=60, why="the disk is full", back="/queues")
    assert "Queue high is paused until" in page
    assert "forecourt queue pause high --for 60 --why &#39;the disk is full&#39;" in page
    assert re.search(r'action="/queues/resume">.*name="queue" value="high".*Undo', page, re.S)
    again = post("/queues/resume", queue="high", back="/queues")
    assert re.search(
        r'action="/queues/pause">.*name="why" value="the disk is full".*name="minutes" value="60"', again, re.S
    )
    post("/queues/pause", queue="high", minutes=60, why="the disk is full", back="/queues")
    row = tx.execute("SELECT who, why, until - now() BETWEEN '58 min' AND '61 min' FROM forecourt.pauses").fetchone()
    assert row == (WHO, "the disk is full", True)
    assert audited(tx)[:2] == (WHO, "queue pause")
    assert "Queue high goes on" in post("/queues/resume", queue="high", back="/")
    assert one(tx, "SELECT count(*) FROM forecourt.pauses") == 0
    assert audited(tx)[:3] == (WHO, "queue resume", {"queue": "high"})
    assert "was not paused any more" in post("/queues/resume", queue="high")


def test_what_was_done_is_said_once(post: Post, pages: httpx.Client) -> None:
    assert "is paused" in post("/queues/pause", queue="low", back="/settings")
    assert 'class="said"' not in pages.get("/settings").text


def test_a_queue_is_cleared_and_a_long_one_only_with_its_name_typed(
    post: Post, pages: httpx.Client, tx: psycopg.Connection
) -> None:
    tx.execute("INSERT INTO forecourt.ready (job, queue) SELECT 'nothing', 'bulk' FROM generate_series(1, 1001)")
    page = pages.get("/queues/bulk").text
    assert "This removes 1,001 waiting calls for good" in page
    refused = pages.post("/queues/clear", data={"queue": "bulk"}, headers={"sec-fetch-site": "same-origin"})
    assert refused.status_code == 409
    assert one(tx, "SELECT count(*) FROM forecourt.ready") == 1001
    assert "1,001 calls removed" in post("/queues/clear", queue="bulk", typed="bulk")
    assert one(tx, "SELECT count(*) FROM forecourt.ready") == 0
    assert audited(tx) == (WHO, "queue clear", {"queue": "bulk"}, 1001)


def test_a_task_a_group_and_the_whole_schedule_pause_and_resume(post: Post, tx: psycopg.Connection) -> None:
    for form, kind, name in (
        ({"task": "generate_sitemap"}, "task", "generate_sitemap"),
        ({"group": "analytics"}, "group", "analytics"),
        ({}, "schedule", ""),
    ):
        assert "is paused" in post("/schedule/pause", **form, why="stocktaking")
        paused = tx.execute("SELECT kind, name, until, why FROM forecourt.pauses").fetchall()
        assert paused == [(kind, name, None, "stocktaking")]
        assert audited(tx)[1] == "schedule pause"
        assert "goes on" in post("/schedule/resume", **form)
        assert one(tx, "SELECT count(*) FROM forecourt.pauses") == 0


def test_a_task_runs_now_on_a_worker_and_its_history_says_by_hand(
    post: Post, pages: httpx.Client, tx: psycopg.Connection
) -> None:
    page = post("/schedule/trigger", task="heartbeat", back="/schedule/heartbeat")
    call = int(re.search(r"heartbeat is entered as call (\d+)", page)[1])
    assert audited(tx) == (WHO, "schedule trigger", {"call": call, "task": "heartbeat"}, 1)
    work_until_empty(app="forecourt.marketplace.app:app")
    assert one(tx, "SELECT status FROM forecourt.ticks WHERE call_id = %s", call) == "succeeded"
    page = pages.get("/schedule/heartbeat").text
    assert "by hand" in page


def test_a_task_that_is_under_way_is_not_started_twice(post: Post, pages: httpx.Client, tx: psycopg.Connection) -> None:
    post("/schedule/trigger", task="generate_sitemap")
    again = pages.post(
        "/schedule/trigger", data={"task": "generate_sitemap"}, headers={"sec-fetch-site": "same-origin"}
    )
    assert again.status_code == 409
    assert "is under way as call" in again.text
    assert one(tx, "SELECT count(*) FROM forecourt.ready") == 1


def test_a_task_is_added_edited_and_removed_while_it_runs(
    post: Post, pages: httpx.Client, tx: psycopg.Connection
) -> None:
    form = {"job": "heartbeat", "name": "second heartbeat", "cron": "*/5 * * * *", "args": "", "description": "More"}
    page = post("/schedule/add", **form, back="/schedule")
    assert "second heartbeat is added: Every 5 minutes." in page
    assert f"{len(timetable) + 1} tasks on the timetable" in page
    assert re.search(r'action="/schedule/remove">.*Undo', page, re.S)
    assert audited(tx)[1] == "schedule add"
    page = post("/schedule/edit", task="second heartbeat", cron="@hourly", back="/schedule/second%20heartbeat")
    assert "second heartbeat is changed: Every hour." in page
    assert "last changed by this machine (web)" in page
    page = post("/schedule/remove", task="second heartbeat")
    assert "second heartbeat is removed" in page
    assert one(tx, "SELECT count(*) FROM forecourt.stored_tasks") == 0
    wrong = (
        {"cron": "often"},
        {"args": "{"},
        {"args": "[1]"},
        {"priority": "high"},
        {"job": "hartbeat"},
        {"name": "heartbeat"},
    )
    for change in wrong:
        refused = pages.post("/schedule/add", data=form | change, headers={"sec-fetch-site": "same-origin"})
        assert refused.status_code == 400, change
    gone = pages.post("/schedule/remove", data={"task": "heartbeat"}, headers={"sec-fetch-site": "same-origin"})
    assert (gone.status_code, "is the code&#39;s" in gone.text) == (404, True)


def test_a_failed_call_is_retried_from_its_page(post: Post, tx: psycopg.Connection) -> None:
    (id,) = failed(tx, 1)
    assert f"Call {id} is ready again" in post(f"/calls/{id}/retry", back=f"/calls/{id}")
    assert one(tx, "SELECT id FROM forecourt.ready") == id
    assert audited(tx) == (WHO, "queue retry", {"ids": [id]}, 1)


def test_a_failed_call_is_forgotten_and_the_list_follows(post: Post, tx: psycopg.Connection) -> None:
    (id,) = failed(tx, 1)
    assert f"Call {id} is forgotten" in post(f"/calls/{id}/forget", next="/calls?state=failed")
    assert one(tx, "SELECT count(*) FROM forecourt.failed") == 0


def test_a_waiting_call_is_cancelled(post: Post, pages: httpx.Client, tx: psycopg.Connection) -> None:
    id = one(tx, "INSERT INTO forecourt.ready (job, queue) VALUES ('nothing', 'default') RETURNING id")
    assert "1 call cancelled" in post(f"/calls/{id}/cancel", back=f"/calls/{id}")
    assert one(tx, "SELECT outcome FROM forecourt.done") == "cancelled"
    again = pages.post(f"/calls/{id}/cancel", headers={"sec-fetch-site": "same-origin"})
    assert again.status_code == 409
    assert one(tx, "SELECT count(*) FROM forecourt.cancellations") == 0


def test_selected_calls_are_retried_together_and_forgetting_asks_first(post: Post, tx: psycopg.Connection) -> None:
    a, b, c = failed(tx, 3)
    assert "2 calls are ready again" in post("/calls/act", do="retry", ids=f"{a},{b}")
    page = post("/calls/act", do="forget", ids=str(c), back="/calls?state=failed")
    assert "This removes 1 failed call for good" in page
    assert one(tx, "SELECT count(*) FROM forecourt.failed") == 1
    assert "is forgotten" in post("/calls/act", do="forget", ids=str(c), sure="yes")
    assert one(tx, "SELECT count(*) FROM forecourt.failed") == 0


def test_all_failures_of_a_kind_are_retried_and_no_other(post: Post, tx: psycopg.Connection) -> None:
    failed(tx, 3)
    failed(tx, 2, error="KeyError")
    assert "3 calls ready again" in post("/failures/retry", job="nothing", error="ValueError")
    assert one(tx, "SELECT count(*) FROM forecourt.ready") == 3
    assert one(tx, "SELECT string_agg(DISTINCT error, '') FROM forecourt.failed") == "KeyError"


def test_of_two_who_retry_the_same_at_once_the_second_is_told_that_nothing_was_changed(
    pages: httpx.Client, database: str, tx: psycopg.Connection
) -> None:
    failed(tx, 3)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with psycopg.connect(database) as first, ThreadPoolExecutor(1) as second:
        first.execute("DELETE FROM forecourt.failed")
        pressed = second.submit(pages.post, "/failures/retry", data={"job": "nothing"}, headers=OURS)
        while not pressed.done() and not one(tx, waiting):
            time.sleep(0.01)
        first.commit()
        answer = pressed.result()
    assert (answer.status_code, "Nothing was changed: these have not failed any more" in answer.text) == (409, True)
    assert one(tx, "SELECT count(*) FROM forecourt.audit") == 0


def test_what_failed_before_is_left_when_a_time_is_given(post: Post, tx: psycopg.Connection) -> None:
    failed(tx, 2)
    tx.execute(
        "UPDATE forecourt.failed SET failed_at = now() - interval '2 days' WHERE id = (SELECT min(id) FROM forecourt.failed)"
    )
    since = one(tx, "SELECT now() - interval '1 day'").isoformat()
    assert "1 call ready again" in post("/failures/retry", job="nothing", since=since)


def test_many_are_retried_by_a_call_in_the_background_in_portions(post: Post, tx: psycopg.Connection) -> None:
    failed(tx, 2500, job="leave_it")
    page = post("/failures/retry", job="leave_it", error="ValueError", back="/failures")
    assert "2,500 calls are being retried by this call" in page
    assert "forecourt.act_on_calls" in page
    assert one(tx, "SELECT count(*) FROM forecourt.failed") == 2500
    assert audited(tx)[1] == "queue retry all"
    tx.execute("UPDATE forecourt.scheduled SET queue = 'high', run_at = now()")
    work_until_empty("--max-jobs", "1", processes=1)
    assert one(tx, "SELECT count(*) FROM forecourt.failed") == 0
    portions = tx.execute("SELECT who, count FROM forecourt.audit WHERE action = 'queue retry' ORDER BY id").fetchall()
    assert portions == [(WHO, 1000), (WHO, 1000), (WHO, 500)]
    assert one(tx, "SELECT result FROM forecourt.done WHERE job = 'forecourt.act_on_calls'") == {
        "changed": 2500,
        "stayed": 0,
    }


def test_more_than_a_thousand_are_forgotten_only_with_the_error_typed(
    post: Post, pages: httpx.Client, tx: psycopg.Connection
) -> None:
    failed(tx, 1001)
    form = {"job": "nothing", "error": "ValueError"}
    refused = pages.post("/failures/forget", data=form, headers={"sec-fetch-site": "same-origin"})
    assert refused.status_code == 409
    assert "1,001 calls are being forgotten" in post("/failures/forget", **form, typed="ValueError")


def test_workers_are_asked_to_restart(post: Post, tx: psycopg.Connection, scene: dict[str, int]) -> None:
    assert "3 workers end in order" in post("/workers/restart", back="/workers")
    assert one(tx, "SELECT name FROM forecourt.control_requests") == "restart"
    assert audited(tx)[:2] == (WHO, "queue restart")


def test_one_worker_is_asked_to_be_quiet_to_go_on_and_to_stop(
    post: Post, pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    [(one,), *_] = tx.execute("SELECT id FROM forecourt.workers ORDER BY id").fetchall()
    page = post("/workers/quiet", worker=one, back="/workers")
    assert f"Worker {one} finishes what it runs, and claims nothing more." in page
    assert f"forecourt queue worker quiet {one}" in page
    assert "is to be quiet" in page, "it has not said so itself"
    assert audited(tx)[:3] == (WHO, "worker quiet", {"worker": one})
    tx.execute("UPDATE forecourt.workers SET quiet = true, memory = 412e6 WHERE id = %s", (one,))
    page = pages.get("/workers").text
    assert f'</span> quiet</span> <span class="soft">asked by {WHO} ' in page
    assert "412 MB of memory" in page
    assert "goes on" in post("/workers/resume", worker=one, back="/workers")
    assert "ends in order" in post("/workers/stop", worker=one, back="/workers")
    assert "is to stop" in post("/workers/quiet", worker=one, back="/workers")
    for wrong, status in ((0, 400), ("x", 400), (one + 99, 404)):
        answer = pages.post("/workers/stop", data={"worker": wrong}, headers={"sec-fetch-site": "same-origin"})
        assert answer.status_code == status, wrong


def test_the_audit_lists_what_was_done(post: Post, pages: httpx.Client) -> None:
    post("/queues/pause", queue="high", why="night of the long knives")
    page = pages.get("/audit").text
    assert "queue pause" in page
    assert "night of the long knives" in page
    assert WHO in page


def test_what_somebody_chose_is_kept_in_their_browser(post: Post, pages: httpx.Client) -> None:
    page = post("/settings", theme="dark", refresh="30", zone="browser", back="/settings")
    assert 'data-theme="dark"' in page
    assert 'data-refresh="30"' in page
    assert "<bdi>UTC</bdi>" in page, "a browser that does not say where it is"
    pages.cookies.set("browser_zone", "Asia/Kuwait")
    page = pages.get("/").text
    assert 'data-theme="dark"' in page
    assert "<bdi>Kuwait</bdi>" in page
    told = '<time datetime=.*T(..):.*Z" title="20..-..-.. (..):..:..[+]03:00, 20.*Z"'
    [(utc, here), *_] = re.findall(told, pages.get("/audit").text + post("/queues/pause", queue="high", back="/audit"))
    assert (int(utc) + 3) % 24 == int(here)
    for nowhere in ("../../etc/passwd", "Nowhere/Land", "x" * 3000):
        pages.cookies.set("browser_zone", nowhere)
        assert "<bdi>UTC</bdi>" in pages.get("/").text
    refused = pages.post("/settings", data={"refresh": "0.001"}, headers=OURS)
    assert (refused.status_code, "adaptive, 5, 30, off" in refused.text) == (400, True)


def test_arguments_are_hidden_from_whoever_wants_them_hidden(
    post: Post, pages: httpx.Client, scene: dict[str, int]
) -> None:
    paths = ["/calls", "/queues/high"]
    assert all("listing_id" in pages.get(path).text for path in paths)
    post("/settings", arguments="hidden")
    assert not any("listing_id&#34;" in pages.get(path).text for path in paths)
    page = pages.get(f"/calls/{scene['ready']}").text
    assert "listing_id" in page
    assert "<summary>Show them</summary>" in page


def test_nobody_is_sent_elsewhere_afterwards(pages: httpx.Client) -> None:
    ours = {"sec-fetch-site": "same-origin"}
    for elsewhere in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", ""):
        answer = pages.post("/settings", data={"back": elsewhere}, headers=ours, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), elsewhere
