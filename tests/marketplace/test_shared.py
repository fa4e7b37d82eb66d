"""Promises of storage on several hosts: an upload that a worker would not find is refused where it
is dispatched.
"""

from pathlib import Path

import pytest
from showroom import calls, listing
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_photos import picture, stored

from forecourt import Release
from forecourt.database import engine
from forecourt.marketplace import shared
from forecourt.marketplace.folder import Folder
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.shared import NotShared
from forecourt.marketplace.storage import NotStoredError
from forecourt.settings import settings


@pytest.fixture(autouse=True)
def _no_beliefs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "KNOWN_FOR", 0.0)
    shared._believed.clear()


def on(host: str, var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on this process is on another host."""
    monkeypatch.setenv("FORECOURT_HOST", host)
    monkeypatch.setenv("FORECOURT_VAR", str(var))
    settings.cache_clear()


def worker_on(session: Session, host: str) -> None:
    session.execute(
        text("""
            INSERT INTO forecourt.workers (host, boot, pid, pid_started, slots, queues, version, marks)
            VALUES (:host, '', 1, '', 1, '{high}', '0', '')
        """),
        {"host": host},
    )
    session.commit()


def attempt(session: Session) -> None:
    """What a worker on this host does with the waiting call, in a transaction of its own."""
    args = calls(session, "process_car_images")[-1]
    session.commit()
    with Session(engine()) as own, own.begin():
        process_car_images(**args, session=own)


def test_a_worker_without_the_folder_puts_the_call_back_and_from_then_on_dispatches_are_refused_with_words(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = listing(session).id
    worker_on(session, "night")
    on("web", tmp_path / "web", monkeypatch)
    process_car_images.dispatch(listing_id=car, images=[picture()])
    on("night", tmp_path / "night", monkeypatch)
    with pytest.raises(Release, match=r"is not in .*night/storage on night, and web \(.*web/storage\) has a folder"):
        attempt(session)
    on("web", tmp_path / "web", monkeypatch)
    before = stored()
    with pytest.raises(NotShared, match=r"the workers on night \(.*\) keep theirs in a folder of their own"):
        process_car_images.dispatch(listing_id=car, images=[picture()])
    assert stored() == before


def test_hosts_that_share_the_folder_find_each_other_s_uploads(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = listing(session)
    worker_on(session, "night")
    on("web", tmp_path / "shared", monkeypatch)
    process_car_images.dispatch(listing_id=car.id, images=[picture()])
    on("night", tmp_path / "shared", monkeypatch)
    attempt(session)
    session.refresh(car)
    assert len(car.photos) == 1
    on("web", tmp_path / "shared", monkeypatch)
    process_car_images.dispatch(listing_id=car.id, images=[picture()])


def test_the_folder_of_a_host_without_workers_is_nobody_s_business(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    car = listing(session).id
    session.commit()
    for host in ("laptop", "web"):
        on(host, tmp_path / host, monkeypatch)
        process_car_images.dispatch(listing_id=car, images=[picture()])


def test_an_upload_that_is_nowhere_is_gone_for_good(session: Session) -> None:
    car = listing(session).id
    process_car_images.using(session=session).dispatch(listing_id=car, images=[picture()])
    for key in stored():
        Folder(settings().storage).delete(key)
    with pytest.raises(NotStoredError):
        attempt(session)


def test_a_folder_has_one_mark_whoever_asks_first(tmp_path: Path) -> None:
    storage = Folder(tmp_path / "storage")
    first = storage.mark()
    assert {Folder(tmp_path / "storage").mark() for _ in range(3)} == {first}
    assert Folder(tmp_path / "other").mark() != first
    assert list(storage.keys()) == []
