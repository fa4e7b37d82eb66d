"""What changes something comes from a page of ours, by every header that a browser may send; and
hostile text stays text.
"""

import json
import re
from urllib.parse import quote

import httpx
import psycopg
import pytest
from starlette.datastructures import Headers

from forecourt.alerts import content
from forecourt.marketplace.unsubscribing import PATH
from forecourt.settings import settings
from forecourt.store import alert_messages, alerts
from forecourt.store.storable import storable
from forecourt.store.stored_tasks import StoredTask, add
from forecourt.web.guard import foreign
from forecourt.web.table import RULES
from serving import every_page


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": "", "origin": "http://localhost:8000"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost:8000"}, False),
        ({"origin": "http://localhost:8000"}, True),
        ({"origin": "https://ops.example"}, True),
        ({"origin": "http://localhost:9000"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://localhost:8000.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"origin": "http://["}, False),
        ({}, False),
    ],
)  # fmt: skip
def test_only_our_own_pages_change_anything(headers: dict[str, str], ours: bool) -> None:
    assert (foreign(Headers({"host": "localhost:8000"} | headers), "ops.example") is None) is ours


def test_each_route_that_changes_something_is_guarded(pages: httpx.Client, tx: psycopg.Connection) -> None:
    for rule in RULES:
        # Raw ones look at their token and origin themselves; the address where mails end is signed.
        if rule.method == "GET" or rule.raw or rule.path.startswith(PATH):
            continue
        path = rule.path.replace("{id:int}", "1")
        for headers in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
            answer = pages.post(path, data={"queue": "high"}, headers=headers)
            # What programs ask for wants a token, which no browser sends by itself, or has a list
            # of its own.
            if rule.path.startswith("/api/") and answer.status_code in (401, 403):
                continue
            assert answer.status_code == 403, (path, headers)
            assert "nothing was done" in answer.text
    assert tx.execute("SELECT count(*) FROM forecourt.audit").fetchone() == (0,)


def test_no_page_takes_a_method_that_it_does_not_know(pages: httpx.Client) -> None:
    for method in ("PUT", "PATCH", "DELETE", "POST", "TRACE", "OPTIONS", "PROPFIND"):
        for path in ("/", "/calls", "/queues/high"):
            answer = pages.request(method, path, headers={"sec-fetch-site": "same-origin"})
            assert answer.status_code == 405, (method, path)


SCRIPT = "<script>alert('x')</script>\"'>{{7*7}}"
REVERSED = "gpj.\u202eexe"
ESCAPE = "\x1b]0;owned\x07"
HOSTILE = [SCRIPT, REVERSED, ESCAPE, "x" * 1_000_000, "a/b?c#d%e", "..", "日本語 مرحبا", "a\x00b\ud800"]
NAMES = ["script", "reversed", "escape", "long", "slashes", "dots", "letters", "NUL"]


@pytest.mark.parametrize("text", HOSTILE, ids=NAMES)
def test_hostile_text_is_only_text_on_every_page(pages: httpx.Client, tx: psycopg.Connection, text: str) -> None:
    text = storable(text)  # as whatever writes an error, a log or a name has to make it
    name = text[:2000]  # an index on the queue's name holds no more
    entry = {
        "outcome": text,
        "error": text,
        "message": text,
        "traceback": text,
        "log": [text],
        "at": text,
        "attempt": 1,
    }
    row = (name, name, json.dumps({"a": text}), json.dumps([entry]))
    columns = "INSERT INTO forecourt.{} (job, queue, args, history"
    ids = [
        tx.execute(f"{columns.format('ready')}) VALUES (%s, %s, %s, %s) RETURNING id", row).fetchone()[0],
        tx.execute(
            f"{columns.format('scheduled')}, run_at) VALUES (%s, %s, %s, %s, now()) RETURNING id", row
        ).fetchone()[0],
        tx.execute(
            f"{columns.format('failed')}, error, message) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
            (*row, text, text),
        ).fetchone()[0],
        tx.execute(
            f"{columns.format('running')}, token, worker) VALUES (%s, %s, %s, %s, 1,"
            " (SELECT coalesce(max(id), 1) FROM forecourt.workers)) RETURNING id",
            row,
        ).fetchone()[0],
    ]
    tx.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks)"
        " VALUES (%s, '', 1, '', 4, ARRAY[%s], %s, '')",
        (text, name, text),
    )
    tx.execute("INSERT INTO forecourt.pauses (kind, name, who, why) VALUES ('queue', %s, %s, %s)", (name, text, text))
    tx.execute("INSERT INTO forecourt.progress (call_id, done, total, words) VALUES (%s, 1, 2, %s)", (ids[3], text))
    tx.execute(
        "INSERT INTO forecourt.audit (who, action, target) VALUES (%s, %s, %s)", (text, text, json.dumps({"why": text}))
    )
    tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status, why, output, finished_at)"
        " VALUES ('generate_sitemap', date_trunc('second', now()) - interval '1 second', 'failed', %s, %s, now())",
        (text, json.dumps({text: text})),
    )
    tx.execute(
        "INSERT INTO forecourt.minutes (minute, worker, queue, job, finished, run_buckets, wait_buckets)"
        " VALUES (date_trunc('minute', now()), 1, %s, %s, 7, %s, %s)",
        (name[:900], name[:900], *[[7, *[0] * 11]] * 2),
    )
    tx.execute(
        "INSERT INTO forecourt.done (id, job, queue, args, history, result, outcome, attempts, created_at, started_at)"
        " VALUES (0, %s, %s, %s, %s, %s, 'cancelled', 1, now(), now())",
        (*row, json.dumps({text: text})),
    )
    add(tx, StoredTask(name[:200], "heartbeat", {}, "*/5 * * * *", queue=name, description=text), "{}", text)
    trouble = {"subject": name, "status": "fail", "found": text, "advice": text}
    begun = alerts.begin(tx, settings().app, tx.execute("SELECT now()").fetchone()[0], lasts=True, **trouble)
    alert_messages.enter(tx, "mail", content.content([begun], [], 0, begun.began_at))
    one, job, address = quote(name, safe=""), quote(name[:900]), quote(name[:200], safe="")
    paths = [
        *every_page(queue=one, task="generate_sitemap"),
        f"/schedule/{address}",
        *(f"/calls?state={state}" for state in ("ready", "running", "scheduled", "failed", "done")),
        f"/calls?q={quote(text[:1500])}", f"/calls?state=failed&error={quote(text[:1500])}", f"/performance?job={job}",
        *(f"/calls/{id}" for id in ids),
    ]  # fmt: skip
    paths = [path for path in paths if not path.endswith("/..") and len(path) < 6000]  # no browser asks for two dots
    for path in ("/api/v1/calls", "/api/v1/failures", "/api/v1/failures/calls", "/api/v1/queues", "/api/v1/workers",
                 "/api/v1/audit", "/api/v1/occurrences", "/api/v1/overview", *(f"/api/v1/calls/{id}" for id in ids)):  # fmt: skip
        answer = pages.get(path)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"] == "application/json", "and so nothing but text"
        assert answer.json(), path
    for path in paths:
        answer = pages.get(path)
        # A task by a name that cannot be read is left out of the schedule.
        assert answer.status_code == 200 or path.startswith(f"/schedule/{address}"), (path, answer.text)
        assert len(answer.text) < 400_000, path
        assert "<script>alert" not in answer.text, path
        assert "49" not in re.findall(r"\{\{7\*7\}\}|>49<", answer.text), path
        for bad in ("\u202e", "\x1b", "\x07"):
            assert bad not in answer.text, path


ADDRESSES = [
    "/calls?q=%00", "/calls?job=%00", "/queues/%00", "/schedule/%00", "/calls?state=%00",
    "/calls?q=" + "x" * 5000,
    "/calls?from=x", "/calls?from=9999-12-31T23:59", "/calls?to=0001-01-01T00:00", "/calls?id=-1", "/calls?at=x",
    "/calls?since=1y",
    "/calls?batch=99999999999999999999", "/calls?q=a%3Db%20a.b%3Dc", "/calls?q=%ff%fe", "/calls?q=batch:", "/calls/0",
    "/night?date=%00", "/night?date=2026-13-45", "/audit?before=-1", "/audit?before=99999999999999999999", "/static/x/%00",
    "/queues/" + "q" * 5000, "/calls/" + "9" * 5000, "/calls/" + "9" * 3000,
    "/failures?queue=%F0%9F%9A%97", "/calls?q=" + "%7B" * 500 + "%3D1", "/login?next=//evil.example",
]  # fmt: skip

FORMS: list[dict[str, str]] = [
    {"queue": "\x00"}, {"queue": "high", "minutes": "x"}, {"queue": "high", "minutes": "-1"}, 
    {"queue": "high", "minutes": "9" * 30},
    {"queue": ""}, {}, {"ids": "1,x", "do": "retry"}, {"ids": "9" * 40, "do": "retry"}, {"ids": "1", "do": "explode"},
    {"job": "j", "since": "x"}, {"job": "j", "since": "2026-01-01"}, {"task": "nothing"}, {"group": "nothing"},
    {"theme": "pink"},
]  # fmt: skip


def test_no_address_and_no_form_is_an_error_of_ours(pages: httpx.Client) -> None:
    for wanted in ADDRESSES:
        assert pages.get(wanted).status_code < 500, wanted
    for rule in RULES:
        if rule.method == "POST" and rule.path != "/login":
            for form in FORMS:
                path = rule.path.replace("{id:int}", "7")
                answer = pages.post(path, data=form, headers={"sec-fetch-site": "same-origin"})
                assert answer.status_code < 500, (path, form)


def test_a_form_that_is_too_long_is_refused(pages: httpx.Client) -> None:
    answer = pages.post("/queues/pause", data={"queue": "x" * 300_000}, headers={"sec-fetch-site": "same-origin"})
    assert answer.status_code == 413
