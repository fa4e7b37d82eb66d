"""Promises of the sweep: files to which nothing refers go after a day, and work in flight is never
touched.
"""

import os
import time
from base64 import b64encode

import pytest
from showroom import listing
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_photos import picture, storage, stored

from forecourt.database import engine
from forecourt.database.connecting import connect
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.sweep import TooManyOrphans, sweep_storage
from forecourt.marketplace.trash import reserve
from forecourt.marketplace.uploads import spool
from forecourt.settings import settings


def make_old(hours: float = 25) -> None:
    """All files, as if they had been stored so long ago."""
    for path in settings().storage.rglob("*"):
        os.utime(path, (time.time() - hours * 3600,) * 2)


def upload() -> str:
    return spool(storage(), picture())


def test_an_upload_that_no_call_names_goes_after_a_day(session: Session) -> None:
    upload()
    make_old(23)
    assert sweep_storage()["uploads"] == 0
    make_old(25)
    assert sweep_storage() == {"uploads": 1, "photos": 0, "unfinished": 0}
    assert stored() == []


@pytest.mark.parametrize("table", ["ready", "scheduled", "running", "failed"])
def test_an_upload_stays_while_a_call_that_names_it_may_still_run(session: Session, table: str) -> None:
    call = process_car_images.using(delay=60 if table == "scheduled" else None).dispatch(
        listing_id=listing(session).id, images=[picture()]
    )
    with connect() as tx:
        if table == "running":
            tx.execute(
                "WITH claimed AS (DELETE FROM forecourt.ready RETURNING *)"
                " INSERT INTO forecourt.running (id, job, queue, args, token, worker)"
                " SELECT id, job, queue, args, 1, 1 FROM claimed"
            )
        if table == "failed":
            tx.execute(
                "WITH lost AS (DELETE FROM forecourt.ready RETURNING *)"
                " INSERT INTO forecourt.failed (id, job, queue, args, error, message)"
                " SELECT id, job, queue, args, 'TimedOut', '' FROM lost"
            )
        assert tx.execute(f"SELECT id FROM forecourt.{table}".encode()).fetchall() == [(call.id,)]
    make_old()
    assert sweep_storage()["uploads"] == 0
    with connect() as tx:
        tx.execute(f"DELETE FROM forecourt.{table}".encode())
    assert sweep_storage()["uploads"] == 1


def test_an_upload_that_a_later_link_of_a_chain_names_stays(session: Session) -> None:
    key = upload()
    make_old()
    with connect() as tx:
        tx.execute(
            "INSERT INTO forecourt.ready (job, queue, options) VALUES ('first', 'default', %s)",
            ['{"chain": [{"job": "process_car_images", "args": {"images": ["' + key + '"], "listing_id": 1}}]}'],
        )
    assert sweep_storage()["uploads"] == 0


def test_variants_that_a_crash_left_without_a_listing_go(session: Session) -> None:
    kept = listing(session)
    session.commit()
    with Session(engine()) as own, own.begin():
        process_car_images(own, [picture()], kept.id)
    with Session(engine()) as own:
        process_car_images(own, [picture("red")], kept.id)
        own.rollback()  # as after a kill between storing and the commit
    make_old()
    session.refresh(kept)
    assert sweep_storage()["photos"] == 2  # its one width, and its picture for links
    assert stored("photos/") == [key for photo in kept.photos for key in (photo["key"], photo["preview"]["key"])]


def photo_key(number: int) -> str:
    """As the photo job makes them."""
    return f"photos/aa/bb/{number:032x}-400.webp"


def test_variants_of_a_transaction_that_is_still_open_stay(session: Session) -> None:
    key = photo_key(1)
    storage().put(key, b"stored long ago, and wanted again")
    make_old()
    with Session(engine()) as own:
        reserve(own, [key])
        assert sweep_storage()["photos"] == 0
        own.rollback()
    assert sweep_storage()["photos"] == 1


def test_what_a_killed_writer_left_half_written_goes(session: Session) -> None:
    upload()
    half = settings().storage / "incoming" / f".{'a' * 32}.tmp"
    half.write_bytes(b"half")
    make_old()
    assert sweep_storage() == {"uploads": 1, "photos": 0, "unfinished": 1}
    assert not half.exists()


def test_other_files_below_the_folder_are_left_alone(session: Session) -> None:
    for key in ("logos/dealer.png", "photos/of-somebody-else.webp"):
        storage().put(key, b64encode(b"not ours"))
    make_old()
    assert sweep_storage() == {"uploads": 0, "photos": 0, "unfinished": 0}
    assert stored() == ["logos/dealer.png", "photos/of-somebody-else.webp"]


def test_when_most_photos_have_no_listing_the_database_is_doubted_and_nothing_goes(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forecourt.marketplace.sweep.FEW", 3)
    for number in range(4):
        storage().put(photo_key(number), b"x")
    upload()
    make_old()
    with pytest.raises(TooManyOrphans, match="no listing has 4 of the 4 photo files"):
        sweep_storage()
    assert len(stored()) == 5
    assert sweep_storage(force=True) == {"uploads": 1, "photos": 4, "unfinished": 0}


def test_many_files_go_in_several_transactions(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecourt.marketplace.sweep.BATCH", 2)
    for number in range(5):
        storage().put(photo_key(number), b"x")
    make_old()
    assert sweep_storage()["photos"] == 5
    assert session.scalar(text("SELECT count(*) FROM photo_holders")) == 0
