"""`/api/v1/listings/ID/photos`: photos come in as they are sent, the answer is a call, and nothing
stays of what is refused.
"""

import socket
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from fleet import Process
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.uploads import MAX_UPLOAD_BYTES
from forecourt.operations import tokens
from forecourt.settings import settings
from forecourt.web import access

PATH = "/api/v1/listings/7/photos"
FLOWER, HOPPER = ((Path(__file__).parents[1] / "photos" / name).read_bytes() for name in ("flower.jpg", "hopper.webp"))


@pytest.fixture
def dealer(pages: httpx.Client, tx: psycopg.Connection) -> Iterator[httpx.Client]:
    """A program with a token that may send photos, before a marketplace with one listing, and its
    address.
    """
    access._remembered.clear()
    shown, _ = tokens.add(tx, "dealer", ["photos"], who="the test")
    tx.execute("INSERT INTO users (id, name, email) VALUES (1, 'Sami', 'sami@example.com')")
    tx.execute("INSERT INTO car_listings (id, owner_id, title, slug) VALUES (7, 1, 'Kia', 'kia')")
    with httpx.Client(base_url=pages.base_url, headers={"authorization": f"Bearer {shown}"}, timeout=30) as client:
        yield client
    access._remembered.clear()


def stored() -> list[str]:
    return list(Folder(settings().storage).keys())


def waiting(tx: psycopg.Connection) -> list[dict[str, Any]]:
    return [args for (args,) in tx.execute("SELECT args FROM forecourt.ready ORDER BY id").fetchall()]


def files(*photos: bytes) -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("photos", (f"{n}.jpg", photo, "image/jpeg")) for n, photo in enumerate(photos)]


def test_a_form_or_a_body_of_photos_becomes_a_call_whose_address_tells_how_it_goes(
    dealer: httpx.Client, tx: psycopg.Connection
) -> None:
    sent = dealer.post(PATH, data={"note": "ours"}, files=files(FLOWER, HOPPER))
    assert (sent.status_code, sent.json()["photos"]) == (202, 2)
    call, where = sent.json()["call"], sent.headers["location"]
    assert dealer.get(where).json() == {"status": "ok", "call": call, "state": "waiting", "attempts": 0}
    single = dealer.post(PATH, content=HOPPER, headers={"content-type": "image/webp"})
    bad = dealer.put(PATH, content=FLOWER[:9000], headers={"content-type": "application/octet-stream"})
    assert (single.status_code, bad.status_code) == (202, 202)

    worker = Process("queue", "work", "--queue", "high", "--stop-when-empty", app="forecourt.marketplace.app:app")
    assert worker.wait() == 0, worker.said()
    done = dealer.get(where).json()
    assert (done["state"], done["result"]["photos"]) == ("done", 2)
    [(photos,)] = tx.execute("SELECT photos FROM car_listings").fetchall()
    assert sorted(photo["variants"][0]["width"] for photo in photos) == [
        128,
        128,
        480,
    ]  # each call adds when it is done
    failed = dealer.get(bad.headers["location"]).json()
    assert (failed["state"], "photo 1 of 1: the JPEG file" in failed["message"]) == ("failed", True)
    assert dealer.get(where.replace("/7/", "/8/")).status_code == 404


def test_base64_and_keys_of_uploads_are_taken_as_the_job_takes_them(
    dealer: httpx.Client, tx: psycopg.Connection
) -> None:
    Folder(settings().storage).put("incoming/by-myself.jpg", FLOWER)
    sent = dealer.put(PATH, json={"images": [b64encode(HOPPER).decode(), "incoming/by-myself.jpg"]})
    assert sent.status_code == 202
    [args] = waiting(tx)
    assert (args["listing_id"], args["images"][1], args["add"]) == (7, "incoming/by-myself.jpg", False)
    assert Folder(settings().storage).read(args["images"][0]) == HOPPER
    for key in ("incoming/none.jpg", "incoming/../../etc/passwd", "incoming/a/b.jpg"):
        wrong = dealer.put(PATH, json={"images": [key]})
        assert (wrong.status_code, "photo 1 of 1: nothing is stored under" in wrong.text) == (422, True)
    refused = dealer.put(PATH, json={"images": [b64encode(HOPPER).decode(), "***"]})
    assert refused.json()["refused"][0] | {"words": ""} == {"position": 2, "code": "not_base64", "words": ""}
    assert len(stored()) == 2


def test_of_what_is_refused_nothing_stays_and_the_reason_is_told(dealer: httpx.Client, tx: psycopg.Connection) -> None:
    large = b"\xff\xd8\xff" + bytes(MAX_UPLOAD_BYTES)
    for sent in (
        dealer.post(PATH, files=files(FLOWER, large, HOPPER)),
        dealer.post(PATH, files=files(FLOWER, b"")),
        dealer.post(PATH, content=large),
        dealer.post(PATH, content=b""),
        dealer.post(PATH, data={"note": "no photo"}, files=[("x", (None, b"text"))]),
        dealer.post(PATH, files=files(*[HOPPER] * 21)),
        dealer.post(PATH, data={"note": "x" * 2000}, files=files(FLOWER)),
        dealer.post(PATH, content=b"--x\r\n", headers={"content-type": "multipart/form-data; boundary=x"}),
        dealer.post(PATH, content=b"--x\r\n", headers={"content-type": f"multipart/form-data; boundary={'x' * 999}"}),
        dealer.post(PATH, content=b"x", headers={"content-type": "multipart/form-data"}),
        dealer.post(PATH, json={"images": []}),
        dealer.post(PATH, json={"images": ["x"] * 21}),
        dealer.post(PATH, content=b"{", headers={"content-type": "application/json"}),
        dealer.post("/api/v1/listings/8/photos", content=FLOWER),
        dealer.post("/api/v1/listings/x/photos", content=FLOWER),
    ):
        assert sent.status_code in (400, 404, 413, 422), sent.text
        assert sent.headers["content-type"] == "application/problem+json"
        assert stored() == [], sent.text
    told = dealer.post(PATH, files=files(FLOWER, large))
    assert told.json()["refused"] == [{"position": 2, "code": "too_large", "words": told.json()["refused"][0]["words"]}]
    assert "at most 20 MB" in told.json()["detail"]
    tx.execute('UPDATE car_listings SET photos = \'["a", "b"]\'')
    tx.execute("INSERT INTO business_settings (name, value) VALUES ('photos_most', '2')")
    full = dealer.post(PATH, content=FLOWER)
    assert (full.status_code, "PUT puts others in their place" in full.text) == (422, True)
    assert waiting(tx) == []


def test_an_upload_that_breaks_off_leaves_nothing(dealer: httpx.Client, tx: psycopg.Connection) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nhost: localhost\r\n"
        f"authorization: {dealer.headers['authorization']}\r\ncontent-type: image/jpeg\r\ncontent-length: 30000\r\n\r\n"
    )
    with socket.create_connection((dealer.base_url.host, dealer.base_url.port)) as line:
        line.sendall(head.encode() + FLOWER[:20_000])
    assert dealer.get(f"{PATH}/1").status_code == 404  # whoever asks next is answered
    assert (stored(), waiting(tx)) == ([], [])
