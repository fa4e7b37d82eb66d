"""What no page of ours sends: it is refused in words, and never an error of the server's."""

import re
from html import unescape
from urllib.parse import quote

import httpx
import psycopg
import pytest

from forecourt.settings import settings
from serving import OURS

DIGITS = "1" + "9" * 5000
"""More than Python makes a number of."""


@pytest.mark.parametrize("start", ["", "00000000000000000001"])
def test_numbers_of_any_length_are_refused_or_mean_nothing(pages: httpx.Client, start: str) -> None:
    number = start + DIGITS
    assert pages.post("/queues/pause", data={"queue": "high", "minutes": number}, headers=OURS).status_code == 400
    assert pages.post("/calls/act", data={"do": "retry", "ids": f"1,{number}"}, headers=OURS).status_code == 400
    assert pages.post("/workers/quiet", data={"worker": number}, headers=OURS).status_code == 400
    all_that_match = {"do": "cancel", "state": "ready", "sure": "yes", "count": number, "upto": number}
    assert pages.post("/calls/matching", data=all_that_match, headers=OURS).status_code < 500
    assert "is not an id" in pages.get("/calls", params={"id": number}).text
    assert "is not an id" in pages.get("/calls", params={"q": f"batch:{number}"}).text
    assert pages.get("/audit", params={"before": number}).status_code == 200


@pytest.mark.parametrize(
    "typed", ["a." * 600 + "x=1", f"a={'[' * 1000}{']' * 1000}", 'a="\\u0000"'], ids=["names", "values", "nul"]
)
def test_what_is_nested_without_end_or_holds_a_nul_is_looked_for_in_vain(pages: httpx.Client, typed: str) -> None:
    for path in ("/calls", "/api/v1/calls"):
        assert pages.get(path, params={"q": typed}).status_code in (200, 422)


def test_json_that_is_nested_without_end_is_no_json(pages: httpx.Client) -> None:
    task = {"job": "heartbeat", "cron": "0 3 * * *", "args": "[" * 50_000}
    refused = pages.post("/schedule/add", data=task, headers=OURS)
    assert (refused.status_code, "no JSON" in refused.text) == (400, True)
    assert pages.get("/settings", headers={"cookie": f"forecourt_said={'[' * 6000}"}).status_code == 200


def test_fields_of_one_name_come_together_however_many_there_are(pages: httpx.Client) -> None:
    many = "ids=1&" * 40_000
    answer = pages.post(
        "/calls/act", content=f"{many}do=x&do=y", headers=OURS | {"content-type": "application/x-www-form-urlencoded"}
    )
    assert (answer.status_code, "x,y" in answer.text) == (400, True)


def test_no_pause_lasts_beyond_the_calendar(pages: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_TIMEZONE", "Asia/Damascus")
    settings.cache_clear()
    for what in ({"queue": "high"}, {"task": "heartbeat"}):
        path = f"/api/v1/{'queues' if 'queue' in what else 'schedule'}/pause"
        answer = pages.post(path, json=what | {"until": "9999-12-31T23:59:59Z"}, headers=OURS)
        assert (answer.status_code, "a hundred years" in answer.text) == (422, True)
    assert [
        pages.get(path).status_code for path in ("/", "/queues", "/queues/high", "/schedule", "/schedule/heartbeat")
    ] == [200] * 5
    settings.cache_clear()


def test_what_a_job_refuses_when_it_prepares_its_arguments_is_told(pages: httpx.Client) -> None:
    wrong = {"job": "process_car_images", "args": {"images": ["x"], "listing_id": 1}}
    answer = pages.post("/api/v1/calls/dispatch", json=wrong, headers=OURS)
    assert (answer.status_code, "base64" in answer.json()["detail"]) == (422, True)


NAMES = [
    "a%2Fb",
    "100%25",
    "a?b#c",
    "a/b",
    "/first",
    "a\tb",
    "\u202egnp.exe",
    "مزاد",
    "🚗 <b>",
    "//example.com",
    "x" * 200,
]


def test_a_page_is_asked_again_and_come_back_to_whatever_the_name_in_its_address_holds(
    pages: httpx.Client, tx: psycopg.Connection
) -> None:
    tx.cursor().executemany("INSERT INTO forecourt.ready (job, queue) VALUES ('some', %s)", [(name,) for name in NAMES])
    listed = pages.get("/queues").text
    for name in NAMES:
        link = f"/queues/{quote(name, safe='')}"
        assert f'href="{link}"' in listed
        whole = pages.get(link).text
        for where in (r'hx-get="([^"]*)"', r'name="back" value="([^"]*)"'):
            again = pages.get(unescape(re.search(where, whole)[1]), headers={"hx-request": "true"})
            assert again.status_code == 200, (name, again.url)
            assert re.search("<h1>.*?</h1>", again.text)[0] in whole, name
