"""Calls are found by what one knows of them, and each has a page with all that happened to it."""

import html
import json
import re
from datetime import UTC, datetime

import httpx
import psycopg
import pytest

from forecourt import Workflow
from forecourt.jobs.job import Job
from forecourt.jobs.policy import Policy
from forecourt.store import workers
from forecourt.store.search import Search
from forecourt.web.searching import CannotRead, asked


def listed(page: str) -> list[int]:
    """The ids of the calls that a page lists."""
    return [int(id) for id in re.findall(r'<td class="w lead"><a href="/calls/(\d+)"', page)]


def test_each_state_has_its_list_and_its_count(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/calls").text
    for label, count in (("ready", "1,242"), ("running", "12"), ("later", "41"), ("failed", "12"), ("done", "80")):
        assert re.search(rf">{label} <b[^>]*>{count}</b>", page), label
    for state, count in (("ready", 50), ("running", 12), ("scheduled", 41), ("failed", 12), ("done", 50)):
        assert len(listed(pages.get("/calls", params={"state": state}).text)) == count, state


def test_a_call_is_found_by_an_argument_and_whatever_else_is_known(pages: httpx.Client, scene: dict[str, int]) -> None:
    for parameters in (
        {"q": "listing_id=42"},
        {"q": "job:process_car_images listing_id=42"},
        {"job": "process_car_images", "q": "listing_id=42"},
        {"queue": "high", "q": "listing_id=42", "since": "1h"},
        {"q": "error:BadPicture listing_id=42"},
    ):
        found = listed(pages.get("/calls", params={"state": "failed"} | parameters).text)
        assert found == [scene["failed"]], parameters


def test_an_id_leads_straight_to_its_call(pages: httpx.Client, scene: dict[str, int]) -> None:
    answer = pages.get("/calls", params={"q": str(scene["done"])})
    assert answer.url.path == f"/calls/{scene['done']}"
    unknown = pages.get("/calls", params={"q": "99999999"})
    assert (unknown.status_code, "not that many so far" in unknown.text) == (404, True)


def test_a_call_that_was_forgotten_is_said_to_be_gone(pages: httpx.Client, tx: psycopg.Connection) -> None:
    id = tx.execute("SELECT nextval('forecourt.call_ids')").fetchone()[0]
    gone = pages.get(f"/calls/{id}")
    assert (gone.status_code, f"Call {id} is gone" in gone.text) == (404, True)


def test_pages_follow_one_another_without_gap_or_repeat(pages: httpx.Client, scene: dict[str, int]) -> None:
    for state, total in (("ready", 1242), ("done", 80)):
        seen: list[int] = []
        address = f"/calls?state={state}"
        while address:
            page = pages.get(address).text
            seen += listed(page)
            following = re.search(r'<a href="([^"]+)" rel="next">', page)
            address = html.unescape(following[1]) if following else ""
        assert len(seen) == len(set(seen)) == total
        assert seen == sorted(seen, reverse=True)


def test_failed_calls_are_paged_by_when_they_failed(pages: httpx.Client, tx: psycopg.Connection) -> None:
    tx.execute(
        "INSERT INTO forecourt.failed (job, queue, error, message, failed_at)"
        " SELECT 'j', 'q', 'E', '', now() - (n / 3) * interval '1 second' FROM generate_series(1, 120) AS n"
    )
    seen: list[int] = []
    address = "/calls?state=failed"
    while address:
        page = pages.get(address).text
        seen += listed(page)
        following = re.search(r'<a href="([^"]+)" rel="next">', page)
        address = html.unescape(following[1]) if following else ""
    assert seen == [row[0] for row in tx.execute("SELECT id FROM forecourt.failed ORDER BY failed_at DESC, id DESC")]


def test_what_failed_is_looked_for_among_the_latest_only(
    pages: httpx.Client, tx: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecourt.store.search.LOOK_THROUGH", 3)
    tx.execute(
        "INSERT INTO forecourt.failed (job, queue, error, message, args, failed_at)"
        " SELECT 'send', 'low', 'E', 'm', jsonb_build_object('to', n % 2, 'n', n), now() - n * interval '1 minute'"
        " FROM generate_series(1, 6) AS n"
    )
    found = [
        re.findall(r"&#34;n&#34;: (\d)", pages.get("/calls", params={"state": "failed", "q": typed}).text)
        for typed in ("", "to=1", "to=0", "n=5")
    ]
    assert found == [[*"123456"], [*"13"], ["2"], []]


def test_nothing_found_says_so_and_where_to_go(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/calls", params={"state": "failed", "q": "listing_id=999999"}).text
    assert "No call fits" in page
    assert 'href="/calls?state=failed">Show all' in page


def test_what_cannot_be_read_is_named(pages: httpx.Client) -> None:
    for typed in ("nonsense", "state:late", "batch:x", "trace:x"):
        page = pages.get("/calls", params={"q": typed})
        assert page.status_code == 200
        assert 'role="alert"' in page.text
        assert html.escape(typed.rpartition(":")[2]) in page.text


@pytest.mark.parametrize(
    ("typed", "args"),
    [
        ("listing_id=42", ['{"listing_id":42}', '{"listing_id":"42"}']),
        (
            "owner.city=Homs owner.vip=true",
            ['{"owner":{"city":"Homs","vip":true}}', '{"owner":{"city":"Homs","vip":"true"}}'],
        ),
        ("note==", ['{"note":"="}']),
    ],
)
def test_an_argument_is_looked_for_as_json_and_as_text(typed: str, args: list[str]) -> None:
    assert asked({"q": typed}, [], [], datetime.now(UTC)).search == Search(args=args)


def test_contradicting_arguments_are_refused() -> None:
    with pytest.raises(CannotRead, match="contradicts"):
        asked({"q": "owner=1 owner.city=Homs"}, [], [], datetime.now(UTC))


def test_a_failed_call_shows_every_try_with_its_log_and_traceback(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get(f"/calls/{scene['failed']}").text
    assert page.count("<summary>Traceback</summary>") == 2
    assert "the JPEG file ends early" in page
    assert "INFO listing 42: 8 photos, 12.4 MB" in page
    assert f"forecourt queue retry {scene['failed']}" in page
    assert page.count("on night-1, process 4711") == 2


def test_a_finished_call_says_where_it_ran_also_when_its_worker_is_gone(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    page = pages.get(f"/calls/{scene['done']}").text
    worker = tx.execute("SELECT worker FROM forecourt.done WHERE id = %s", (scene["done"],)).fetchone()[0]
    assert f'<a href="/workers#worker-{worker}">{worker}</a>' in page
    assert "on night-1, process 4001" in page
    workers.remove(tx, [worker])
    page = pages.get(f"/calls/{scene['done']}").text
    assert f"#worker-{worker}" not in page
    assert "on night-1, process 4001" in page


def test_a_call_shows_its_trace_which_finds_the_others_and_only_our_frames(
    pages: httpx.Client, tx: psycopg.Connection
) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    library = '  File "/x/lib/python3.13/json/decoder.py", line 355, in raw_decode\n    raise\n'
    whole = f'Traceback (most recent call last):\n  File "/srv/shop/jobs.py", line 7, in pay\n{library}ValueError: no'
    id, other = (
        row[0]
        for row in tx.execute(
            "INSERT INTO forecourt.failed (job, queue, error, message, trace, history)"
            " SELECT 'pay', 'q', 'ValueError', 'no', %s, jsonb_build_array(jsonb_build_object("
            "'outcome', 'Raised', 'traceback', %s::text)) FROM generate_series(1, 2) RETURNING id",
            (f"00-{trace}-b7ad6b7169203331-01", whole),
        )
    )
    tx.execute("INSERT INTO forecourt.failed (job, queue, error, message) VALUES ('pay', 'q', 'ValueError', 'no')")
    page = pages.get(f"/calls/{id}").text
    assert f'data-copy="{trace}"' in page
    first, second = re.findall(r"<pre[^>]*raceback of this try[^>]*>(.*?)</pre>", page, re.S)
    assert ("decoder.py" in first, "decoder.py" in second, "jobs.py" in first) == (False, True, True)
    assert "Whole traceback, with 1 frame of libraries" in page
    [link] = re.findall(r'href="(/calls\?[^"]*trace=[^"]*)"', page)
    assert sorted(listed(pages.get(html.unescape(link)).text)) == [id, other]
    for typed in (f"trace:{trace}", f"trace:00-{trace.upper()}-b7ad6b7169203331-01"):
        assert len(listed(pages.get("/calls", params={"state": "failed", "q": typed}).text)) == 2, typed


def test_a_running_call_shows_its_progress_and_when_it_is_killed(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get(f"/calls/{scene['running']}").text
    assert '<progress class="meter" id="progress" value="5.0" max="8.0">' in page
    assert "photo 5 of 8" in page
    assert "Is killed" in page


def test_chain_batch_and_due_time_of_a_call_are_shown(pages: httpx.Client, tx: psycopg.Connection) -> None:
    batch = tx.execute(
        "INSERT INTO forecourt.batches (name, total, pending, failed, allow_failures, on_success)"
        " VALUES ('nightly photos', 10, 7, 1, true, '{\"job\": \"tell_owner\"}') RETURNING id"
    ).fetchone()[0]
    tick = tx.execute(
        "INSERT INTO forecourt.ticks (task, due_at, status) VALUES ('generate_sitemap', now(), 'enqueued') RETURNING id"
    ).fetchone()[0]
    options = {"chain": [{"job": "second"}, {"job": "third"}], "catch": {"job": "mop_up"}, "tick": tick}
    id = tx.execute(
        "INSERT INTO forecourt.ready (job, queue, batch_id, options) VALUES ('first', 'low', %s, %s) RETURNING id",
        (batch, json.dumps(options)),
    ).fetchone()[0]
    page = pages.get(f"/calls/{id}").text
    for told in (
        "Then <code>second</code>",
        "Then <code>third</code>",
        "<code>mop_up</code>",
        "nightly photos",
        "3 of 10",
    ):
        assert told in page, told
    assert '<a href="/schedule/generate_sitemap">' in page


def test_arguments_that_are_long_are_not_shown_in_full(pages: httpx.Client, tx: psycopg.Connection) -> None:
    id = tx.execute(
        "INSERT INTO forecourt.ready (job, queue, args) VALUES ('j', 'q',"
        " jsonb_build_object('text', (SELECT string_agg(md5(n::text), '') FROM generate_series(1, 30000) AS n))) RETURNING id"
    ).fetchone()[0]
    page = pages.get(f"/calls/{id}").text
    assert "Too long to show here" in page
    assert len(page) < 30_000
    assert len(pages.get("/calls").text) < 30_000


def test_what_is_gone_or_never_was_is_a_page_with_words(pages: httpx.Client) -> None:
    for path in ("/calls/7", "/calls/99999999999999999999999", "/queues/nowhere", "/schedule/nothing"):
        answer = pages.get(path)
        assert answer.status_code == 404, path
        assert "There is nothing here" in answer.text


def test_failures_are_told_by_kind_with_when_and_how_many(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/failures").text
    assert "12 calls failed for good" in page
    assert "3 kinds of failure" in page
    assert 'Retry 9<span class="unseen">' in page
    assert "2 calls failed" in pages.get("/failures", params={"queue": "high"}).text


def test_what_failed_since_somebody_looked_is_counted_and_moves_no_row(
    pages: httpx.Client, scene: dict[str, int], tx: psycopg.Connection
) -> None:
    def asked_again(path: str, queue: str = "low") -> str:
        seen = pages.get(path).text.partition('data-seen="')[2].partition('"')[0]
        for n in range(2):
            tx.execute(
                "INSERT INTO forecourt.failed (job, queue, error, message) VALUES ('late', %s, 'E', %s)",
                (queue, str(n)),
            )
        return pages.get(path, headers={"hx-request": "true", "forecourt-seen": seen}).text

    again = asked_again("/failures")
    assert "2 new: show" in again
    assert "14 calls failed for good" in again
    assert "<tr" not in again
    assert "2 new: show" in asked_again("/failures?queue=low")
    assert "Look again" in asked_again("/failures?queue=high")
    assert "2 new: show" in asked_again("/failures?queue=spare", "spare"), "there was none yet"


def test_a_step_s_page_shows_its_workflow(pages: httpx.Client, database: str) -> None:
    flow = Workflow("two")
    first = flow.add(Job(_nothing, Policy(), name="the_first").call())
    flow.add(Job(_nothing, Policy(), name="the_second").call(), after=[first])
    id = flow.dispatch()
    with psycopg.connect(database) as tx:
        [call] = tx.execute("SELECT max(id) FROM forecourt.ready").fetchone()
    page = pages.get(f"/calls/{call}").text
    assert f"Workflow {id}" in page
    assert "the_second" in page
    assert "blocked" in page


def _nothing() -> None: ...
