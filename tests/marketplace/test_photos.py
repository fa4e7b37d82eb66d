"""Promises of the photo job: it holds up nobody, tells the owner what it refused, and leaves no
file behind.
"""

import threading
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from showroom import ago, calls, listing, notifications
from sqlalchemy import text
from sqlalchemy.orm import Session

from fleet import Looking, Process
from forecourt.database import engine
from forecourt.marketplace import photos
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.models import CarListing
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.pictures import BadPhotos
from forecourt.marketplace.trash import reap_blobs
from forecourt.marketplace.uploads import spool
from forecourt.marketplace.views import increment_views_count
from forecourt.settings import settings


def picture(colour: str = "teal", size: tuple[int, int] = (64, 48)) -> str:
    out = BytesIO()
    Image.new("RGB", size, colour).save(out, "JPEG")
    return b64encode(out.getvalue()).decode()


DAMAGED = b64encode(b"\xff\xd8\xff" + b"no picture at all").decode()


def storage() -> Folder:
    return Folder(settings().storage)


def stored(prefix: str = "") -> list[str]:
    return list(storage().keys(prefix))


def car(session: Session) -> CarListing:
    made = listing(session)
    session.commit()
    return made


def process(listing_id: int, images: list[str]) -> dict[str, int]:
    """One attempt in a transaction of its own, as a slot makes it."""
    with Session(engine()) as own, own.begin():
        return process_car_images(own, images, listing_id)


def reap() -> None:
    with Session(engine()) as own, own.begin():
        reap_blobs(session=own)


class Decoding:
    """Stops the job while it decodes, until the test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self._process: Callable[..., Any] = photos.process
        monkeypatch.setattr(photos, "process", self._held)

    def _held(self, *args: Any, **options: Any) -> Any:
        self.begun.set()
        assert self.may_end.wait(30)
        return self._process(*args, **options)


def test_views_are_counted_and_prices_changed_while_a_dealer_s_photos_are_decoded(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = car(session)
    decoding = Decoding(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(process, made.id, [picture()])
        try:
            assert decoding.begun.wait(30)
            session.execute(text("SET LOCAL lock_timeout = '1s'"))
            assert increment_views_count(session, [made.id]) == {"views": 1, "listings": 1}
            session.execute(text("UPDATE car_listings SET price = 1"))
            session.commit()
        finally:
            decoding.may_end.set()
        assert job.result(30)["photos"] == 1
    session.refresh(made)
    assert (made.views_count, made.price, len(made.photos)) == (1, 1, 1)


def test_a_listing_that_goes_while_its_photos_are_decoded_leaves_no_file(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = car(session)
    decoding = Decoding(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(process, made.id, [picture()])
        assert decoding.begun.wait(30)
        session.execute(text("DELETE FROM car_listings"))
        session.commit()
        decoding.may_end.set()
        assert job.result(30) == {"photos": 0}
    reap()
    assert stored() == []


def test_two_uploads_for_one_listing_at_once_leave_the_files_of_the_later_one_alone(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = car(session)
    decoding = Decoding(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        later = pool.submit(process, made.id, [picture("red")])
        assert decoding.begun.wait(30)
        monkeypatch.undo()
        process(made.id, [picture("green")])
        decoding.may_end.set()
        later.result(30)
    reap()
    session.refresh(made)
    assert stored() == [key for photo in made.photos for key in (photo["key"], photo["preview"]["key"])]


def test_refused_uploads_go_with_all_that_they_say(session: Session) -> None:
    made = car(session)
    keys = [spool(storage(), image) for image in (picture(), DAMAGED)]
    with pytest.raises(BadPhotos):
        process(made.id, keys)
    reap()
    assert stored() == []


def test_the_owner_is_told_which_photos_were_refused_and_why(session: Session) -> None:
    made = car(session)
    images = [picture(), DAMAGED, picture("red"), picture(size=(8, 8))]
    with pytest.raises(BadPhotos, match=r"photo 2 of 4: the JPEG file cannot.*; photo 4 of 4: 8 x 8 px"):
        process(made.id, images)
    [notice] = notifications(session)
    assert (notice.user_id, notice.kind) == (made.owner_id, "photos_refused")
    assert notice.data["total"] == 4
    assert notice.data["refused"] == [{"position": 2, "code": "broken"}, {"position": 4, "code": "too_small"}]
    assert calls(session, "deliver_mail") == [{"notification_id": str(notice.id)}]
    session.refresh(made)
    assert made.photos == []


def test_an_attempt_that_is_made_again_tells_the_owner_once(session: Session) -> None:
    made = car(session)
    keys = [spool(storage(), DAMAGED)]
    for _ in range(2):
        with pytest.raises(BadPhotos):
            process(made.id, keys)
    assert len(notifications(session)) == 1
    with pytest.raises(BadPhotos):
        process(made.id, [spool(storage(), DAMAGED)])  # another upload of the same photo is other news
    assert len(notifications(session)) == 2


def test_the_owner_of_a_listing_in_the_trash_is_not_told(session: Session) -> None:
    made = car(session)
    made.deleted_at = ago(session, "1 day")
    session.commit()
    with pytest.raises(BadPhotos):
        process(made.id, [DAMAGED])
    assert notifications(session) == []


def test_a_dispatch_with_bad_base64_names_each_and_leaves_nothing_in_storage(session: Session) -> None:
    made = car(session)
    with pytest.raises(BadPhotos, match=r"^not_base64: photo 2 of 3: .*; photo 3 of 3: .* is not a storage key"):
        process_car_images.dispatch(listing_id=made.id, images=[picture(), "***", "incoming/../x"])
    assert stored() == []
    assert calls(session, "process_car_images") == []


def test_bad_base64_that_was_dispatched_from_sql_is_refused_like_a_bad_photo(session: Session) -> None:
    made = car(session)
    with pytest.raises(BadPhotos, match="photo 2 of 2"):
        process(made.id, [picture(), "***"])
    with pytest.raises(BadPhotos, match=r"photo 1 of 1: .* is not a storage key"):
        process(made.id, ["incoming/../x"])
    reap()
    assert stored() == []
    told = {(one["position"], one["code"]) for notice in notifications(session) for one in notice.data["refused"]}
    assert told == {(1, "no_key"), (2, "not_base64")}


def test_a_worker_tells_the_owner_of_what_it_refuses_and_fails_the_call_at_once(
    session: Session, looking: Looking
) -> None:
    made = car(session)
    process_car_images.dispatch(listing_id=made.id, images=[picture(), DAMAGED])
    worker = Process("queue", "work", "--queue", "high", "--stop-when-empty", app="forecourt.marketplace.app:app")
    assert worker.wait() == 0, worker.said()
    [(call, error, attempts)] = looking.rows("SELECT id, error, attempts FROM forecourt.failed")
    assert (error, attempts) == ("forecourt.marketplace.pictures.BadPhotos", 1)
    [notice] = notifications(session)
    assert notice.dedupe_key == f"photos_refused:{made.id}:{call}"
    session.rollback()
    reap()
    assert stored() == []
