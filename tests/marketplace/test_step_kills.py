"""Promises of archive, restore, photo sets and sitemap when their process is killed at any step,
with folders and with a bucket behind them; and who else can read the archive's files.
"""

import re
import tempfile
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from showroom import calls, listing, until_unlocked
from sqlalchemy import text
from sqlalchemy.orm import Session
from steps import doomed
from test_photos import picture
from traffic import event, events, midday

from forecourt.cli import forecourt
from forecourt.marketplace import places, scratch, sitemap, sitemap_check, sweep, urlset
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.marketplace.photos import process_car_images
from forecourt.marketplace.restore import archives, restore
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.marketplace.sweep import sweep_storage
from forecourt.marketplace.trash import reap_blobs
from forecourt.settings import settings


@pytest.fixture
def old_events(session: Session) -> None:
    """Six events of two old days, in the default partition."""
    for days in (200, 201):
        for n in range(3):
            event(session, n, midday(session, days) + n * timedelta(hours=1))
    session.commit()


FOLDER_PUBLISHING = ("before folder publish", "after folder publish")
BUCKET_SENDING = ("before bucket Bucket._send", "after bucket Bucket._send", "amid bucket Bucket._pieces")


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, database: str) -> str:
    """Where files lie."""
    if request.param == "bucket":
        request.getfixturevalue("url")
    return str(request.param)


@pytest.fixture(autouse=True)
def temporary(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files, in which everything is forsaken as soon as its process is
    gone.
    """
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(scratch, "GRACE", 0.0)
    return folder


def test_an_archive_killed_at_any_step_loses_no_event_and_leaves_no_file_behind(
    place: str, session: Session, old_events: None, temporary: Path
) -> None:
    with doomed() as killed:
        for step in (
            "before archive settle",
            "after archive settle",
            "before event_files write",
            "amid archive _events",
            "after event_files write",
            *(FOLDER_PUBLISHING if place == "folder" else BUCKET_SENDING),
            "after event_files read",
            "before archive _drop",
            "after archive _drop",
        ):
            killed("archive", step)
            assert events(session) == 6, step
            session.rollback()
    assert any(temporary.iterdir()) is (place == "bucket")
    assert archive_old_analytics()["events"] == 6
    assert list(temporary.iterdir()) == []
    assert list(places.archive().keys()) == [archive.path for archive in archives()]
    assert places.archive().remove_unfinished(0.0) == 0


def test_a_restore_killed_at_any_step_brings_nothing_and_the_next_one_everything(
    place: str, session: Session, old_events: None
) -> None:
    archive_old_analytics()
    [archive] = archives()
    with doomed() as killed:
        for step in (
            "after restore named",
            *(["amid bucket Bucket._pieces"] if place == "bucket" else []),
            "before event_files read",
            "amid event_files lines",
            "after event_files read",
        ):
            killed(f"restore:{archive.path}", step)
            assert session.scalar(text("SELECT count(*) FROM car_listing_analytics_restored")) == 0, step
            session.rollback()
    assert restore(archive.path) == {"events": 6, "restored": 6}


def test_a_photo_set_killed_at_any_step_is_not_begun_and_the_next_try_leaves_just_its_files(
    place: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "DAY", 0.0)
    car = listing(session)
    process_car_images.using(session=session).dispatch(listing_id=car.id, images=[picture("teal"), picture("red")])
    session.commit()
    [call] = calls(session, "process_car_images")
    uploads = sorted(call["images"])
    storage = places.files()
    kind = "folder Folder" if place == "folder" else "bucket Bucket"
    with doomed() as killed:
        for step in (
            "after photos reserve",
            f"after {kind}.read",
            "after pictures make",
            f"before {kind}.put",
            *(["after folder Folder._write"] if place == "folder" else BUCKET_SENDING[:2]),
            f"after {kind}.put",
            "after photos process",
            "after photos _publish",
            "after twins note",
        ):
            killed("photos:" + ",".join([str(car.id), *call["images"]]), step)
            session.refresh(car)
            assert car.photos == [], step
            until_unlocked(session)
            sweep_storage()
            assert list(storage.keys()) == uploads, step
    process_car_images(**call, session=session)
    session.commit()
    with doomed() as killed:
        for step in ("before trash _delete", "after trash _delete"):
            killed("reap:", step)
            until_unlocked(session)
    reap_blobs(session=session)
    session.commit()
    sweep_storage()
    assert list(storage.keys()) == sorted(session.scalar(text("SELECT photo_keys(photos) FROM car_listings")))


def test_a_sitemap_killed_on_its_way_into_the_bucket_is_whole_and_the_next_run_tidies_up(
    url: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, limit in ((sitemap, 4), (urlset, 4), (sitemap_check, 10)):  # of the index, too
        monkeypatch.setattr(module, "MAX_URLS", limit)
    monkeypatch.setattr(sitemap, "CUT", 2)
    bucket = places.bucket("public")
    assert bucket is not None
    cars = [listing(session) for _ in range(9)]
    session.commit()
    generate_sitemap()
    assert len(list(bucket.keys("sitemap-listings"))) == 4
    with doomed() as killed:
        for number, step in enumerate(
            (
                "before bucket Bucket._send",
                "after bucket Bucket._send",
                "after bucket Bucket.send_file",
                "before bucket Bucket.deleting",
                "before bucket Bucket.keys",
                "after sitemap send",
            )
        ):
            if number < 4:
                session.delete(cars.pop())
            cars[0].slug = f"kia-{number}"
            session.commit()
            killed("sitemap:", step)
            assert CliRunner().invoke(forecourt, ["sitemap", "validate"]).exit_code == 0, step
    assert generate_sitemap()["rewritten"] == 0, "all was sent"
    assert len(list(bucket.keys("sitemap-listings"))) == 2


def test_duckdb_reads_the_archive_as_it_lies_with_the_query_of_the_docs(session: Session, old_events: None) -> None:
    archive_old_analytics()
    page = (Path(__file__).parent.parent.parent / "docs" / "duties" / "analytics.md").read_text()
    [query] = re.findall(r"```sql\n(.*?read_parquet.*?)```", page, re.DOTALL)
    found = duckdb.sql(query.replace("var/archive", str(settings().archive))).fetchall()
    assert [(month.month, kind, count, listings) for month, kind, count, listings in found] == [
        (month, "view", count, listings) for month, count, listings in by_month(session)
    ]


def by_month(session: Session) -> list[tuple[int, int, int]]:
    days = [midday(session, 201), midday(session, 200)]
    if days[0].month == days[1].month:
        return [(days[0].month, 6, 3)]
    return [(day.month, 3, 3) for day in days]
