"""The first page, and what holds for every page: its headers, its refreshing, its files."""

import re

import httpx
import psycopg
import pytest

from forecourt.database.revision import needed
from forecourt.marketplace.timetable import timetable
from forecourt.settings import settings
from forecourt.web import page as pages_of
from forecourt.web.templating import assets

POLL = {"hx-request": "true"}


def test_an_empty_house_says_what_to_do_next(pages: httpx.Client) -> None:
    page = pages.get("/").text
    assert "no worker is running" in page
    assert "forecourt queue work" in page
    assert "No call failed since midnight" in page


def test_the_night_is_told_in_a_sentence_a_drawing_and_figures_that_lead_on(
    pages: httpx.Client, scene: dict[str, int]
) -> None:
    page = pages.get("/").text
    assert re.search(r'href="/queues/high"><em class="late">high is 4 min behind</em>', page)
    assert 'href="/calls?state=ready&amp;queue=high">1,204</a>' in page
    assert "12 of 12 slots busy" in page
    assert "BadPicture" in page
    assert 'href="/calls?state=failed&amp;queue=high&amp;since=24h">2</a>' in page
    assert "3 workers<span" in page.partition('id="q"')[2].partition("</tr>\n<tr")[0].partition("</thead>")[2]
    coming = re.findall(r'href="/schedule/([^"]+)"', page.partition('id="next"')[2].partition("</section>")[0])
    assert len(coming) == len(set(coming)) == 5, "of each task the first"
    assert set(coming) <= {task.name for task in timetable}
    last = re.findall(r'href="/calls/(\d+)"', page.partition('id="l"')[2])
    assert (len(last), last[0]) == (5, str(scene["failed"]))
    assert f"at {needed()}" in page
    assert 'role="img" aria-label="' in page


def test_of_many_queues_and_workers_the_first_page_shows_those_in_trouble(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    tx.execute("INSERT INTO forecourt.ready (job, queue) SELECT 'tidy', 'z-' || n FROM generate_series(10, 29) AS n")
    tx.execute(
        "UPDATE forecourt.workers SET queues = queues || ARRAY(SELECT 'z-' || n FROM generate_series(10, 28) AS n)"
    )
    tx.execute("UPDATE forecourt.workers SET beat_at = now() - interval '1 minute' WHERE host = 'night-3'")
    page = pages.get("/").text
    queues = re.findall(r'class="k"><a href="/queues/([^"]+)"', page)
    assert len(queues) == 12
    assert queues[:2] == ["z-29", "high"], "the one that nobody serves, then the one that is behind"
    assert '<a href="/queues">12 more</a>' in page
    assert re.findall(r'class="k"><a href="/workers#worker-\d+">([^<]+)', page)[0] == "night-3"
    assert re.findall(r'class="k"><a href="/queues/([^"]+)"', pages.get("/queues").text)[:2] == queues[:2]


def test_a_queue_is_behind_by_its_own_limit_wherever_it_is_shown(
    pages: httpx.Client, scene: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECOURT_QUEUE_LIMITS", "high=3600")
    settings.cache_clear()
    assert "high is 4 min behind" not in pages.get("/").text
    assert "is at work" in pages.get("/queues/high").text
    row = re.search(r"<tr(?:(?!</tr>).)*?/queues/high.*?</tr>", pages.get("/queues").text, re.S)
    assert row is not None
    assert "late" not in row[0]


def test_a_poll_gets_the_live_part_alone_and_304_while_nothing_was_written(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = pages.get("/", headers=POLL)
    assert "<html" not in first.text
    tag = first.headers["etag"]
    again = pages.get("/", headers=POLL | {"if-none-match": tag})
    assert (again.status_code, again.text) == (304, "")
    assert {"forecourt-as-of", "forecourt-query-milliseconds"} <= set(again.headers)
    with monkeypatch.context() as nothing_is_drawn:
        nothing_is_drawn.setattr(pages_of, "environment", None)
        compressed = pages.get("/", headers=POLL | {"if-none-match": f"W/{tag}"})
        assert compressed.status_code == 304, "as a proxy names what it has compressed"
    tx.execute("DELETE FROM forecourt.ready WHERE queue = 'high'")
    assert pages.get("/", headers=POLL | {"if-none-match": tag}).status_code == 200


def test_what_was_written_elsewhere_is_not_sent_again(pages: httpx.Client, tx: psycopg.Connection) -> None:
    for number in range(5):  # the line that says what time it is moves on every few seconds
        tag = pages.get("/", headers=POLL).headers["etag"]
        tx.execute(f"CREATE TABLE elsewhere_{number} ()".encode())
        again = pages.get("/", headers=POLL | {"if-none-match": tag})
        if again.status_code == 304:
            break
    assert again.status_code == 304
    assert again.headers["etag"].partition("-")[0] != tag.partition("-")[0]


def test_every_answer_forbids_what_is_not_ours(pages: httpx.Client) -> None:
    for path in ("/", "/nowhere", "/livez"):
        answer = pages.get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert "no-store" in answer.headers["cache-control"]


def test_no_page_has_inline_code_or_styles(pages: httpx.Client, scene: dict[str, int]) -> None:
    page = pages.get("/").text
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=)", page)


def test_files_are_kept_for_a_year_under_an_address_that_changes_with_them(pages: httpx.Client) -> None:
    for name, (digest, content) in assets().items():
        answer = pages.get(f"/static/{digest}/{name}")
        assert answer.status_code == 200
        assert answer.content == content
        assert "immutable" in answer.headers["cache-control"]
    assert pages.get("/static/000000000000/house.js").status_code == 404
    assert pages.get("/static/x/../../app.py").status_code == 404
