"""All calls that fit a filter of the page are acted on at once: told how many first, and taken back
while nothing has begun.
"""

import html
import re
from collections.abc import Callable

import httpx
import psycopg
import pytest

from fleet import work_until_empty
from serving import OURS

Post = Callable[..., str]
WHO = "this machine (web)"


def one(tx: psycopg.Connection, query: str) -> object:
    row = tx.execute(query.encode()).fetchone()
    return row and row[0]


def waiting(tx: psycopg.Connection, count: int, table: str = "ready", more: str = "") -> None:
    """Calls of which every second has the listing 42."""
    later = ("run_at, ", "now() + interval '1 day', ") if table == "scheduled" else ("", "")
    tx.execute(
        f"INSERT INTO forecourt.{table} ({later[0]}job, queue, args)"
        f" SELECT {later[1]}'nothing', 'high', jsonb_build_object('listing_id', 41 + n % 2) FROM generate_series(1, {count}) AS n"
    )


def fields(page: str) -> dict[str, str]:
    """The hidden fields of the form that asks."""
    form = re.search(r'action="/calls/matching">(.*?)</form>', page, re.S)[1]
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
    return {name: html.unescape(value) for name, value in found}


def test_what_fits_is_cancelled_after_its_number_was_named_and_nothing_else(
    post: Post, pages: httpx.Client, tx: psycopg.Connection
) -> None:
    waiting(tx, 6)
    listed = pages.get("/calls", params={"q": "listing_id=42"}).text
    assert "All that match, 3:" in listed
    assert "forecourt queue cancel --state ready --match listing_id=42" in listed
    asked = post("/calls/matching", state="ready", q="listing_id=42", do="cancel", back="/calls?q=listing_id%3D42")
    assert "Cancel 3 calls?" in asked
    assert one(tx, "SELECT count(*) FROM forecourt.ready") == 6, "so far nothing has happened"
    waiting(tx, 2)  # what comes after the question is not meant
    assert "3 calls cancelled" in post("/calls/matching", **fields(asked))
    assert tx.execute(
        "SELECT args ->> 'listing_id', count(*) FROM forecourt.ready GROUP BY 1 ORDER BY 1"
    ).fetchall() == [
        ("41", 4),
        ("42", 1),
    ]
    assert tx.execute("SELECT who, action, count FROM forecourt.audit").fetchall() == [(WHO, "queue cancel", 3)]
    assert "Cancel 1 call?" in post("/calls/matching", **fields(asked) | {"count": "0", "upto": ""}), "it asks again"


def test_more_than_a_thousand_take_the_number_typed_and_can_be_taken_back_until_it_begins(
    post: Post, pages: httpx.Client, tx: psycopg.Connection
) -> None:
    waiting(tx, 2500)
    asked = post("/calls/matching", state="ready", q="listing_id=42", do="cancel")
    assert "<code>1250</code>" in asked
    refused = pages.post("/calls/matching", data=fields(asked), headers=OURS)
    assert (refused.status_code, "Type &#39;1250&#39;" in refused.text) == (409, True)
    sure = fields(asked) | {"typed": "1250"}
    page = post("/calls/matching", **sure)
    assert "1,250 calls are being cancelled by this call" in page
    assert "until then Undo takes all of it back" in page
    undo = re.search(r'action="(/calls/\d+/cancel)">.*?Undo', page, re.S)[1]
    meant = {"state": "ready", "args": [{"listing_id": 42}, {"listing_id": "42"}]}
    target, count = tx.execute("SELECT target, count FROM forecourt.audit").fetchone()
    assert (target["filter"], count) == (meant, 1250)
    assert "1 call cancelled" in post(undo)
    assert one(tx, "SELECT count(*) FROM forecourt.ready") == 2500
    post("/calls/matching", **sure)
    tx.execute("UPDATE forecourt.ready SET queue = 'nobody'")
    waiting(tx, 2)
    tx.execute("UPDATE forecourt.ready SET queue = 'nobody'")
    tx.execute("UPDATE forecourt.scheduled SET queue = 'high', run_at = now()")
    work_until_empty("--max-jobs", "1", processes=1)
    assert one(tx, "SELECT count(*) FROM forecourt.ready") == 1252, "half of them, and what came later"
    assert one(tx, "SELECT result FROM forecourt.done WHERE outcome = 'finished'") == {"changed": 1250, "stayed": 0}
    assert one(tx, "SELECT count(*) FROM forecourt.done WHERE outcome = 'cancelled' AND job = 'nothing'") == 1250


def test_calls_that_wait_for_their_time_run_now_but_not_those_that_wait_for_a_place(
    post: Post, pages: httpx.Client, tx: psycopg.Connection
) -> None:
    waiting(tx, 6, "scheduled")
    first, second, third = (row[0] for row in tx.execute("SELECT id FROM forecourt.scheduled ORDER BY id LIMIT 3"))
    assert f"forecourt queue run-now {first}" in pages.get(f"/calls/{first}").text
    assert f"Call {first} is ready now" in post(f"/calls/{first}/run-now", back=f"/calls/{first}")
    assert one(tx, "SELECT ready_at > now() - interval '1 min' FROM forecourt.ready") is True
    assert pages.post(f"/calls/{first}/run-now", headers=OURS).status_code == 409
    tx.execute("UPDATE forecourt.scheduled SET limit_key = 'mail' WHERE id = %s", (second,))
    assert "1 stay as they are" in post("/calls/act", do="run-now", ids=f"{second},{third}")
    assert "3 calls are ready now. 1 stay as they are" in post("/calls/matching", state="scheduled", do="run-now")
    assert one(tx, "SELECT count(*) FROM forecourt.ready") == 5


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"state": "done", "do": "retry"}, 400),
        ({"state": "ready", "do": "retry"}, 400),
        ({"state": "ready", "do": "explode"}, 400),
        ({"state": "ready", "do": "cancel", "q": "7"}, 400),
        ({"state": "ready", "do": "cancel", "q": "never-heard"}, 400),
        ({"state": "ready", "do": "cancel"}, 409),
        ({"state": "ready", "do": "cancel", "sure": "yes", "count": "x"}, 409),
    ],
)
def test_what_cannot_be_done_is_refused(
    pages: httpx.Client, tx: psycopg.Connection, form: dict[str, str], status: int
) -> None:
    assert pages.post("/calls/matching", data=form, headers=OURS).status_code == status
    assert one(tx, "SELECT count(*) FROM forecourt.audit") == 0
