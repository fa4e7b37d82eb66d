"""What programs may ask and do: answers as the document says, actions that do what the pages do,
and every refusal a problem.
"""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jsonschema_rs
import psycopg
import pytest

from forecourt import Workflow
from forecourt.app import load
from forecourt.jobs.job import Job
from forecourt.jobs.policy import Policy
from forecourt.operations import tokens
from forecourt.schedule.definition import definitions
from forecourt.settings import settings
from forecourt.store import timetables
from forecourt.web import access
from forecourt.web.api.document import document
from forecourt.web.api.operation import ROOT
from forecourt.web.api.serving import LONGEST_BODY
from forecourt.web.api.table import OPERATIONS
from forecourt.web.table import RULES

Json = Any


@pytest.fixture
def api(pages: httpx.Client, tx: psycopg.Connection) -> Iterator[httpx.Client]:
    """A program whose token may do everything."""
    access._remembered.clear()
    text, _ = tokens.add(tx, "robot", ["admin"], who="the test")
    with httpx.Client(base_url=pages.base_url.join(ROOT), headers={"authorization": f"Bearer {text}"}) as it:
        yield it
    access._remembered.clear()


Ask = Callable[..., Json]


@pytest.fixture
def ask(api: httpx.Client) -> Ask:
    """Asks or does something, and returns what comes back; it has to be well."""

    def send(method: str, path: str, **given: Any) -> Json:
        answer = api.request(method, path, **({"json": given} if method == "POST" else {"params": given}))
        assert answer.status_code == 200, answer.text
        return answer.json()

    return send


_left = Job(lambda: None, Policy(), name="left")  # a job that nobody here runs


def fits(answer: Json, schema: Json) -> None:
    """Raises ValidationError unless the answer is as the document says."""
    whole = {"components": document()["components"], **schema}
    jsonschema_rs.Draft202012Validator(whole).validate(answer)


def test_every_answer_on_a_busy_night_is_as_the_document_says(
    ask: Ask, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    paths = {"/calls/{id}": [f"/calls/{id}" for id in scene.values()], "/tasks/{task}": ["/tasks/generate_sitemap"]}
    flow = Workflow("two")
    flow.add(_left.call(), after=[flow.add(_left.call())])
    paths |= {"/workflows/{id}": [f"/workflows/{(workflow := flow.dispatch())}"]}
    [first] = [step["call_id"] for step in ask("GET", f"/workflows/{workflow}") if step["call_id"]]
    assert ask("GET", f"/calls/{first}")["workflow"] == workflow
    timetables.declare(tx, settings().app, definitions(load().timetable))
    for operation in OPERATIONS:
        if operation.method == "GET":
            given = {
                "/explanations": {"task": "generate_sitemap"}, "/queues/explanations": {"queue": "high"},
            }.get(operation.path, {})  # fmt: skip
            told = document()["paths"][operation.path]["get"]["responses"]["200"]["content"]["application/json"]
            for path in paths.get(operation.path, [operation.path]):
                answer = ask("GET", path, **given)
                assert answer, path
                fits(answer, told["schema"])
    for state in ("ready", "running", "scheduled", "failed", "done"):
        calls = ask("GET", "/calls", state=state)
        assert calls["items"], state
        fits(calls, {"$ref": "#/components/schemas/Calls"})
    served = ask("GET", "/openapi.json")
    assert served == json.loads(json.dumps(document()))
    jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **served["components"]})


def test_every_route_under_the_api_stands_in_the_document() -> None:
    told = {(method.upper(), path) for path, methods in document()["paths"].items() for method in methods}
    served = {
        (rule.method, rule.path.removeprefix(ROOT).replace(":path}", "}"))
        for rule in RULES
        if rule.path.startswith("/api/") and rule.method != "OPTIONS"
    }
    assert told == served
    ids = [entry["operationId"] for methods in document()["paths"].values() for entry in methods.values()]
    assert len(ids) == len(set(ids))
    assert all(entry["summary"] for methods in document()["paths"].values() for entry in methods.values())


def test_a_list_is_read_page_by_page_and_each_call_comes_once(
    ask: Ask, api: httpx.Client, tx: psycopg.Connection
) -> None:
    for table, column in (("ready", None), ("scheduled", "run_at"), ("failed", "failed_at")):
        more = f", {column}, error, message" if table == "failed" else f", {column}" if column else ""
        value = ", now(), 'Oops', ''" if table == "failed" else ", now() + interval '1 hour'" if column else ""
        tx.execute(
            f"INSERT INTO forecourt.{table} (job, queue, args{more})"
            f" SELECT 'j', 'q', jsonb_build_object('n', n){value} FROM generate_series(1, 25) AS n"
        )
        seen: list[int] = []
        cursor: dict[str, str] = {}
        while True:
            page = ask("GET", "/calls", state=table, queue="q", limit=10, **cursor)
            seen += [call["id"] for call in page["items"]]
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert (len(seen), len(set(seen))) == (25, 25), table
    assert [call["args"] for call in ask("GET", "/calls", q="n=7")["items"]] == [{"n": 7}]
    for wrong in ("x", "MTI", "fA==", "OTl8MjAyNi0wMS0wMQ=="):
        assert api.get("/calls", params={"cursor": wrong}).status_code == 422


def test_actions_do_what_the_buttons_do_and_stand_in_the_audit(
    ask: Ask, api: httpx.Client, tx: psycopg.Connection
) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    paused = ask("POST", "/queues/pause", queue="hihg", until=until.isoformat(), why="tyres")
    assert "no job uses a queue named 'hihg'" in paused["warning"]
    assert tx.execute("SELECT name, who, why FROM forecourt.pauses").fetchall() == [("hihg", "robot (token)", "tyres")]
    ask("POST", "/queues/resume", queue="hihg")
    ask("POST", "/schedule/pause", task="generate_sitemap")
    assert "is paused by robot (token)" in ask("GET", "/tasks/generate_sitemap")["paused"]
    ask("POST", "/schedule/resume", task="generate_sitemap")
    call = ask("POST", "/schedule/trigger", task="generate_sitemap")["call"]
    assert ask("GET", f"/calls/{call}")["tick"]["task"] == "generate_sitemap"
    assert ask("POST", "/calls/cancel", ids=[call]) == {"cancelled": [call], "ending": []}
    assert ask("GET", "/occurrences", task="generate_sitemap")[0]["status"] == "cancelled"
    assert ask("POST", "/workers/restart") == {"workers": 0}
    worker = tx.execute(
        "INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks)"
        " VALUES ('h', 'b', 1, 's', 1, '{q}', '0', '') RETURNING id"
    ).fetchone()[0]
    for wish, changed in (("quiet", True), ("quiet", False), ("resume", True), ("stop", True), ("resume", False)):
        assert ask("POST", f"/workers/{wish}", worker=worker) == {"worker": worker, "changed": changed}, wish
    assert api.post("/workers/quiet", json={"worker": worker + 1}).status_code == 404
    tx.execute("INSERT INTO forecourt.ready (job, queue) SELECT 'j', 'q' FROM generate_series(1, 3)")
    assert ask("POST", "/queues/clear", queue="q") == {"removed": 3}
    actions = [entry["action"] for entry in ask("GET", "/audit")["items"]]
    assert actions[::-1] == [
        "web token add", "queue pause", "queue resume", "schedule pause", "schedule resume", "schedule trigger", "queue cancel",
        "queue restart", "worker quiet", "worker resume", "worker stop", "queue clear",
    ]  # fmt: skip
    first = ask("GET", "/audit", limit=4)
    rest = ask("GET", "/audit", limit=500, cursor=first["next"])
    assert [entry["action"] for entry in first["items"] + rest["items"]] == actions
    assert rest["next"] is None


def test_failures_are_retried_and_forgotten_one_by_one_by_filter_and_many_in_the_background(
    ask: Ask, api: httpx.Client, tx: psycopg.Connection
) -> None:
    tx.execute(
        "INSERT INTO forecourt.failed (job, queue, error, message, failed_at)"
        " SELECT 'j', 'q', CASE WHEN n <= 5 THEN 'Few' ELSE 'Many' END, '', now() - n * interval '1 s'"
        " FROM generate_series(1, 1205) AS n"
    )
    few = ask("GET", "/failures/ids", error="Few")["ids"]
    assert ask("POST", "/failures/retry", ids=few[:2]) == {"changed": 2, "stayed": 0, "call": None}
    assert ask("POST", "/failures/retry", ids=few[:2]) == {"changed": 0, "stayed": 2, "call": None}
    assert ask("POST", "/failures/forget", ids=few[2:3])["changed"] == 1
    assert ask("POST", "/failures/forget-matching", error="Few") == {"changed": 2, "stayed": 0, "call": None}
    assert {kind["error"]: kind["calls"] for kind in ask("GET", "/failures")} == {"Many": 1200}
    many = ask("POST", "/failures/retry-matching", error="Many")
    assert many["changed"] == 1200
    assert ask("GET", f"/calls/{many['call']}")["job"] == "forecourt.act_on_calls"
    assert api.post("/failures/forget-matching", json={}).status_code == 422, "never all by leaving everything out"
    assert api.post("/failures/retry-matching", json={"error": "None"}).status_code == 404
    assert len(ask("GET", "/failures/calls", limit=7)) == 7


def test_calls_that_wait_are_counted_cancelled_and_run_now_by_filter(
    ask: Ask, api: httpx.Client, tx: psycopg.Connection
) -> None:
    big = 2**64 + 1
    tx.execute(
        "INSERT INTO forecourt.ready (job, queue, args) SELECT 'j', 'q', jsonb_build_object('n', %s + i %% 2)"
        " FROM generate_series(1, 2400) AS i",
        (big,),
    )
    tx.execute(
        "INSERT INTO forecourt.scheduled (job, queue, run_at) SELECT 'j', 'q', now() + '1 h' FROM generate_series(1, 3)"
    )
    [odd] = ask("GET", "/calls", q=f"n={big + 1}", limit=1)["items"][:1]
    assert odd["args"] == {"n": big + 1}, "integers of any size are exact"
    assert ask("GET", "/calls/matching", q=f"n={big + 1}") == {"count": 1200}
    many = ask("POST", "/calls/cancel-matching", state="ready", q=f"n={big + 1}")
    assert many["changed"] == 1200
    assert ask("GET", f"/calls/{many['call']}")["state"] == "scheduled", "until it begins it can be taken back"
    assert ask("POST", "/calls/cancel", ids=[many["call"]])["cancelled"] == [many["call"]]
    first = ask("GET", "/calls", state="scheduled", limit=1)["items"][0]["id"]
    assert ask("POST", "/calls/run-now", ids=[first, 999_999_999]) == {"changed": 1, "stayed": 1, "call": None}
    assert ask("POST", "/calls/run-now-matching", queue="q") == {"changed": 2, "stayed": 0, "call": None}
    assert ask("GET", "/calls/matching", job="j") == {"count": 2403}
    assert api.post("/calls/run-now-matching", json={"queue": "q"}).status_code == 404
    assert api.post("/calls/cancel-matching", json={"state": "ready"}).status_code == 422, (
        "never all by leaving all out"
    )
    assert api.post("/calls/cancel-matching", json={"state": "done", "queue": "q"}).status_code == 422


REFUSALS: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/nothing", {}, 404, "/api/v1/openapi.json names every address"),
    ("DELETE", "/queues", {}, 405, ""),
    ("GET", "/calls/7", {}, 404, "no call has the id 7"),
    ("GET", "/calls/x", {}, 422, "id: "),
    ("GET", "/calls/" + "9" * 3000, {}, 422, "id: "),
    ("GET", "/calls/" + "9" * 5000, {}, 414, "longer than 4000"),
    ("GET", "/calls/%00", {}, 400, "NUL"),
    ("GET", "/tasks/a%2Fb", {}, 404, "a/b"),
    ("GET", "/calls?colour=red", {}, 422, "colour: "),
    ("GET", "/calls?job=a&job=b", {}, 422, "job: given 2 times"),
    ("GET", "/calls?state=lost", {}, 422, "state: "),
    ("GET", "/calls?limit=501", {}, 422, "limit: "),
    ("GET", "/calls?first=2026-11-24T03:00", {}, 422, "first: "),
    ("GET", "/calls?q=never-heard", {}, 422, "'never-heard' is neither"),
    ("GET", "/calls?q=12", {}, 422, "/api/v1/calls/12"),
    ("GET", "/night?date=0001-01-01", {}, 422, "nothing is known"),
    ("POST", "/queues/pause", {"json": {}}, 422, "queue: "),
    ("POST", "/queues/pause", {"json": {"queue": 7}}, 422, "queue: "),
    ("POST", "/queues/pause", {"json": {"queue": "a\x00b"}}, 422, "queue: there is a NUL"),
    ("POST", "/queues/pause", {"json": {"queue": "q", "until": "2001-01-01T00:00:00Z"}}, 422, "is in the past"),
    ("POST", "/queues/pause", {"data": {"queue": "q"}}, 415, "application/json"),
    ("POST", "/queues/pause", {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "not JSON"),
    ("POST", "/queues/pause", {"content": b'{"queue": "\\ud800"}', "headers": {"content-type": "application/json"}}, 400, ""),
    ("POST", "/queues/pause", {"content": b"[" * 9999, "headers": {"content-type": "application/json"}}, 400, "not JSON"),
    ("POST", "/queues/pause", {"json": {"queue": "q" * LONGEST_BODY}}, 413, "longer than 256 kB"),
    ("POST", "/queues/resume", {"json": {"queue": "q"}}, 404, "is not paused"),
    ("POST", "/calls/cancel", {"json": {"ids": [1, 2]}}, 404, "nothing was cancelled"),
    ("POST", "/calls/cancel", {"json": {"ids": list(range(1, 1002))}}, 422, "ids: "),
    ("POST", "/schedule/trigger", {"json": {"task": "no_such"}}, 404, "no_such"),
    ("POST", "/schedule/pause", {"json": {"task": "heartbeat", "group": "x"}}, 422, "not both"),
    ("POST", "/schedule/pause", {"json": {"group": "x"}}, 404, "no group is named 'x'"),
]  # fmt: skip


def test_every_refusal_is_a_problem_that_says_what_was_wrong_and_changes_nothing(
    api: httpx.Client, tx: psycopg.Connection
) -> None:
    for method, path, given, status, words in REFUSALS:
        answer = api.request(method, path, **given)
        assert answer.status_code == status, (path[:100], given, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", path[:100]
        assert answer.headers["cache-control"] == "no-store"
        problem = answer.json()
        fits(problem, {"$ref": "#/components/schemas/Problem"})
        assert problem["status"] == status
        assert words in problem["detail"], problem
    assert tx.execute("SELECT count(*) FROM forecourt.audit").fetchone() == (1,), "the token's own"


def test_a_task_is_added_explained_changed_and_removed_while_the_application_runs(ask: Ask, api: httpx.Client) -> None:
    added = ask(
        "POST", "/schedule/add", job="generate_sitemap", cron="15 6 * * *", name="second", timezone="Asia/Damascus"
    )
    assert (added["sentence"], added["timezone"]) == ("Daily at 06:15", "Asia/Damascus")
    assert ask("GET", "/tasks/second")["stored"] is True
    assert ask("POST", "/schedule/edit", task="second", cron="15 7 * * *")["sentence"] == "Daily at 07:15"
    [told] = ask("GET", "/explanations", task="second", at="2026-01-05T04:15:30Z")["instants"]
    assert (told["is_due"], told["at"]) == (True, "2026-01-05T04:15:00Z")
    assert "zone" in [finding["about"] for finding in told["findings"]]
    for path, given, status in (
        ("add", {"job": "generate_sitemap", "cron": "15 6 * * *", "name": "second"}, 422),
        ("add", {"job": "no_such_job", "cron": "15 6 * * *"}, 422),
        ("add", {"job": "generate_sitemap", "cron": "61 6 * * *", "name": "third"}, 422),
        ("add", {"job": "generate_sitemap", "cron": "@daily", "name": "third", "timezone": "Mars/Olympus"}, 422),
        ("add", {"job": "generate_sitemap", "cron": "@daily", "name": "third", "args": {"x": 1}}, 422),
        ("add", {"job": "generate_sitemap", "cron": "@daily", "name": "third", "args": {"x": 10**30}}, 422),
        ("add", {"job": "generate_sitemap", "cron": "@daily", "name": "third", "args": {"x": "\x00"}}, 422),
        ("edit", {"task": "second"}, 422),
        ("edit", {"task": "generate_sitemap", "cron": "@daily"}, 404),
        ("remove", {"task": "generate_sitemap"}, 404),
    ):
        answer = api.post(f"/schedule/{path}", json=given)
        assert answer.status_code == status, (path, given, answer.text)
    for at in ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        assert api.get("/explanations", params={"task": "second", "at": at}).status_code in (200, 422), at
    assert ask("POST", "/schedule/remove", task="second") == {
        "task": "second", "job": "generate_sitemap", "cron": "15 7 * * *", "args": {}, "timezone": "Asia/Damascus", "queue": None,
        "priority": None, "description": "",
    }  # fmt: skip


def test_a_task_that_is_under_way_is_not_entered_again(ask: Ask, api: httpx.Client) -> None:
    ask("POST", "/schedule/trigger", task="generate_sitemap")
    again = api.post("/schedule/trigger", json={"task": "generate_sitemap"})
    assert (again.status_code, "is under way as call" in again.json()["detail"]) == (409, True)


def test_a_browser_asks_with_its_session_and_a_stranger_s_page_does_not(pages: httpx.Client) -> None:
    assert pages.get(f"{ROOT}/me").json()["name"] == "this machine (web)"
    own = pages.post(f"{ROOT}/queues/pause", json={"queue": "q"}, headers={"sec-fetch-site": "same-origin"})
    assert own.status_code == 200
    for headers in ({}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
        foreign = pages.post(f"{ROOT}/queues/pause", json={"queue": "r"}, headers=headers)
        assert (foreign.status_code, foreign.headers["content-type"]) == (403, "application/problem+json")
        assert "forecourt web token add" in foreign.json()["detail"]


def test_programs_are_answered_in_english_whatever_a_browser_prefers(pages: httpx.Client) -> None:
    arabic = {"accept": "text/html", "accept-language": "ar"}
    told = pages.get(f"{ROOT}/overview", headers=arabic).json()
    assert told["sentence"].isascii()
    assert pages.get(f"{ROOT}/calls/7", headers=arabic).json()["detail"].startswith("no call has the id 7")
