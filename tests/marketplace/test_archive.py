"""Promises of the archive: nothing leaves the database that does not lie in a verified file."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from showroom import ago, wait_until_blocked
from sqlalchemy import Row, text
from sqlalchemy.orm import Session
from traffic import DAY, event, events, midday, now, stats, views

from forecourt.database import engine
from forecourt.marketplace import archive, folder
from forecourt.marketplace.analytics import aggregate_daily_analytics
from forecourt.marketplace.archive import ArchiveError, archive_old_analytics, plan
from forecourt.marketplace.partitions import partitions
from forecourt.settings import settings

NOTHING = {"events": 0, "files": 0, "bytes": 0}


def manifest(session: Session) -> list[Row[Any]]:
    session.rollback()
    return list(session.execute(text("SELECT * FROM analytics_archives ORDER BY id")))


def files() -> list[Path]:
    return sorted(settings().archive.rglob("*.*"))


def archived() -> list[dict[str, Any]]:
    """Every event in every file."""
    return [row for path in files() for row in pq.read_table(path).to_pylist()]


def partition(session: Session, day: date) -> str:
    """Make the partition of a past day, as if it had been made ahead of it."""
    name = f"car_listing_analytics_{day:%Y%m%d}"
    session.execute(
        text(
            f"CREATE TABLE {name} PARTITION OF car_listing_analytics "
            f"FOR VALUES FROM ('{day} 00:00Z') TO ('{day + DAY} 00:00Z')"
        )
    )
    return name


@pytest.fixture
def old_days(session: Session) -> list[datetime]:
    """Two partitions of long ago with three events each, and two strays between them in the default
    partition.
    """
    noons = [midday(session, 300), midday(session, 200)]
    for noon in noons:
        partition(session, noon.date())
        for n in range(3):
            event(session, n, noon + n * timedelta(hours=1))
    event(session, 1, midday(session, 250))
    event(session, 2, midday(session, 250))
    session.commit()
    return noons


def test_old_events_move_to_files_and_new_ones_stay(session: Session, old_days: list[datetime]) -> None:
    event(session, 1, midday(session, 1))
    event(session, 1, now(session))
    session.commit()
    moved = archive_old_analytics()
    assert (moved["events"], moved["files"]) == (8, 3)
    assert moved["bytes"] == sum(path.stat().st_size for path in files())
    assert events(session) == 2
    assert sorted(row["created_at"] for row in archived()) == sorted(
        [noon + n * timedelta(hours=1) for noon in old_days for n in range(3)] + [midday(session, 250)] * 2
    )


def test_a_day_that_is_old_altogether_goes_with_its_partition(session: Session, old_days: list[datetime]) -> None:
    archive_old_analytics()
    assert all(p.lower > midday(session, 3) for p in partitions(session))
    assert [(row.lower, row.upper) for row in manifest(session)[:2]] == [
        (noon - DAY / 2, noon + DAY / 2) for noon in old_days
    ]


def test_the_cutoff_is_exact_to_the_microsecond_also_within_a_day(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    cutoff = midday(session, 180)
    monkeypatch.setattr(archive, "CUTOFF", text("SELECT CAST(:cutoff AS timestamptz)").bindparams(cutoff=cutoff))
    partition(session, cutoff.date())
    for microseconds in (-1, 0, 1):
        event(session, microseconds, cutoff + timedelta(microseconds=microseconds))
    session.commit()
    assert archive_old_analytics()["events"] == 1
    assert [row["car_listing_id"] for row in archived()] == [-1]
    assert events(session) == 2


def test_days_are_counted_in_24_hours_from_now(session: Session) -> None:
    event(session, 1, ago(session, "180 days 1 minute"))
    event(session, 2, ago(session, "179 days 23 hours 59 minutes"))
    event(session, 3, ago(session, "40 days"))
    session.commit()
    assert plan() == 1
    assert archive_old_analytics()["events"] == 1
    assert plan(30) == 2
    assert archive_old_analytics(days=30)["events"] == 2
    assert events(session) == 0


def test_planning_changes_nothing(session: Session, old_days: list[datetime]) -> None:
    assert plan() == 8
    assert events(session) == 8
    assert files() == []


def test_a_second_run_finds_nothing(session: Session, old_days: list[datetime]) -> None:
    archive_old_analytics()
    before = manifest(session)
    assert archive_old_analytics() == NOTHING
    assert manifest(session) == before


def test_the_manifest_says_what_each_file_holds(session: Session, old_days: list[datetime]) -> None:
    archive_old_analytics()
    for row in manifest(session):
        path = settings().archive / row.path
        ids = [event["id"] for event in pq.read_table(path).to_pylist()]
        assert (row.rows, row.min_id, row.max_id, row.sum_id) == (len(ids), min(ids), max(ids), sum(ids))
        assert row.bytes == path.stat().st_size
        assert row.dropped_at is not None
    assert {settings().archive / row.path for row in manifest(session)} == set(files())


def test_addresses_are_truncated_on_the_way_out(session: Session) -> None:
    addresses = ["203.0.113.77", "10.9.8.7/8", "2001:db8:1:2:3:4:5:6", "::ffff:1.2.3.4", None]
    for n, ip in enumerate(addresses):
        event(session, n, midday(session, 200), ip=ip)
    session.commit()
    archive_old_analytics()
    kept = {row["car_listing_id"]: row["user_ip"] for row in archived()}
    assert kept == {0: "203.0.113.0", 1: "10.9.8.0", 2: "2001:db8:1::", 3: "::", 4: None}


def test_any_text_in_an_event_survives(session: Session) -> None:
    kinds = ["", "a,b", 'say "hi"', "two\nlines", "مشاهدة", "\\N", "\\.", "NULL", " view ", "a\rb", "\r\n"]
    for n, kind in enumerate(kinds):
        event(session, n, midday(session, 200), kind)
    session.commit()
    archive_old_analytics()
    assert [row["event_type"] for row in sorted(archived(), key=lambda row: row["car_listing_id"])] == kinds


def test_each_event_of_a_day_of_many_pages_is_archived_once_to_its_microsecond(session: Session) -> None:
    noon = midday(session, 200)
    partition(session, noon.date())
    session.execute(
        text(
            """
            INSERT INTO car_listing_analytics (car_listing_id, event_type, created_at)
            SELECT n, 'view', CAST(:noon AS timestamptz) + n * interval '11.000013 s'
            FROM generate_series(-3900, 3900) AS n
            """
        ),
        {"noon": noon},
    )
    made = session.execute(text("SELECT id, created_at FROM car_listing_analytics ORDER BY id")).all()
    assert session.scalar(text(f"SELECT pg_relation_size('car_listing_analytics_{noon:%Y%m%d}') / 8192")) > 3 * 16
    wrong = text(
        """
        SELECT count(*)
        FROM generate_series(0, 36524) AS day, generate_series(0, 3) AS n
        CROSS JOIN LATERAL (SELECT '2000-01-01Z'::timestamptz + day * interval '86399.913601 s' + n * interval '1 us') AS at(t)
        WHERE (date_part('epoch', t) * 1000000)::bigint <> (extract(epoch FROM t) * 1000000)::bigint
        """
    )
    assert session.scalar(wrong) == 0, "microseconds are exact in a float until 2100"
    session.commit()
    assert archive_old_analytics()["events"] == len(made) == 7801
    assert sorted((row["id"], row["created_at"]) for row in archived()) == [(id_, at) for id_, at in made]


def test_a_day_is_aggregated_before_its_events_go(session: Session, old_days: list[datetime]) -> None:
    archive_old_analytics()
    assert {day for _, day in views(session)} == {noon.date() for noon in [*old_days, midday(session, 250)]}
    assert sum(views(session).values()) == 8


def test_a_late_event_counts_before_it_goes(session: Session, old_days: list[datetime]) -> None:
    aggregate_daily_analytics(session=session)
    event(session, 1, old_days[0])
    session.commit()
    archive_old_analytics()
    assert views(session)[1, old_days[0].date()] == 2


def test_archiving_changes_no_stats(session: Session, old_days: list[datetime]) -> None:
    aggregate_daily_analytics(session=session)
    session.commit()
    before = stats(session)
    session.rollback()
    archive_old_analytics()
    aggregate_daily_analytics(session=session)
    assert stats(session) == before


def test_an_empty_partition_goes_without_a_file(session: Session) -> None:
    name = partition(session, midday(session, 300).date())
    session.commit()
    assert archive_old_analytics() == NOTHING
    assert session.scalar(text("SELECT to_regclass(:name)"), {"name": name}) is None
    assert manifest(session) == []


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_days_out_of_range_are_refused_with_words(database: str, days: int) -> None:
    with pytest.raises(ValueError, match=f"days: expected 1 to 36500, not {days}"):
        archive_old_analytics(days=days)
    with pytest.raises(ValueError, match="days"):
        plan(days)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[20] ^= 0xFF
    path.write_bytes(content)


def swap_for_another(path: Path) -> None:
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)


@pytest.mark.parametrize("accident", [damage, swap_for_another])
def test_a_file_that_does_not_read_back_right_drops_nothing(
    session: Session, old_days: list[datetime], monkeypatch: pytest.MonkeyPatch, accident: Callable[[Path], None]
) -> None:
    def publish_badly(temporary: Path, target: Path) -> None:
        temporary.replace(target)
        accident(target)

    with monkeypatch.context() as disk:
        disk.setattr(folder, "publish", publish_badly)
        with pytest.raises((ArchiveError, OSError, pa.ArrowException)):
            archive_old_analytics()
    assert events(session) == 8
    session.rollback()
    assert archive_old_analytics()["events"] == 8
    assert {settings().archive / row.path for row in manifest(session)} == set(files())


def test_a_delete_that_misses_a_row_is_rolled_back(session: Session, old_days: list[datetime]) -> None:
    session.execute(
        text(
            """
            CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
            CREATE TRIGGER keep BEFORE DELETE ON car_listing_analytics_default
            FOR EACH ROW WHEN (OLD.car_listing_id = 1) EXECUTE FUNCTION keep();
            """
        )
    )
    session.commit()
    with pytest.raises(ArchiveError, match="2 events were written and 1 would be deleted"):
        archive_old_analytics()
    assert events(session) == 2


def test_a_run_killed_before_its_drop_has_changed_nothing_and_the_next_one_finishes(
    session: Session, old_days: list[datetime]
) -> None:
    session.rollback()
    with engine().connect() as reader:
        reader.execute(text("SELECT count(*) FROM car_listing_analytics"))  # the drop has to wait for this reader
        run = subprocess.Popen(
            [sys.executable, "-c", "from forecourt.marketplace.archive import *; archive_old_analytics()"],
            env=os.environ | {"FORECOURT_VAR": str(settings().var)},
        )
        wait_until_blocked()
        run.send_signal(signal.SIGKILL)
        run.wait(30)
        assert len(files()) == 1
        assert [row.dropped_at for row in manifest(session)] == [None]
    assert events(session) == 8
    session.rollback()
    assert archive_old_analytics()["events"] == 8
    assert {settings().archive / row.path for row in manifest(session)} == set(files())
    assert sorted(row["id"] for row in archived()) == list(range(1, 9))


def test_a_drop_waits_for_readers(session: Session, old_days: list[datetime]) -> None:
    session.rollback()
    with ThreadPoolExecutor() as pool, engine().connect() as reader:
        reader.execute(text("SELECT count(*) FROM car_listing_analytics"))
        run = pool.submit(archive_old_analytics)
        wait_until_blocked()
        reader.rollback()
        assert run.result(60)["events"] == 8


def test_an_uncommitted_late_event_is_neither_lost_nor_dropped(session: Session) -> None:
    event(session, 1, midday(session, 250))
    session.commit()
    with engine().connect() as writer:
        event(writer, 2, midday(session, 250))
        session.rollback()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            archive_old_analytics()
        writer.commit()
    archive_old_analytics()
    assert len(archived()) == 2
    assert events(session) == 0


def test_runs_at_the_same_time_share_the_work(session: Session, old_days: list[datetime]) -> None:
    session.rollback()
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(archive_old_analytics) for _ in range(3)]
        assert sum(run.result(60)["events"] for run in runs) == 8
    assert sorted(row["id"] for row in archived()) == list(range(1, 9))


def test_an_event_that_comes_after_its_day_was_archived_is_archived_by_the_next_run(
    session: Session, old_days: list[datetime]
) -> None:
    archive_old_analytics()
    event(session, 5, old_days[0])
    session.commit()
    assert archive_old_analytics()["events"] == 1
    assert len(archived()) == 9


def test_a_file_lies_in_the_folder_of_its_year(session: Session) -> None:
    event(session, 1, datetime(2019, 12, 31, 23, 59, tzinfo=UTC))
    session.commit()
    archive_old_analytics()
    assert [path.parent.name for path in files()] == ["2019"]


def test_a_full_disk_half_way_is_an_error_and_nothing_is_dropped(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.execute(
        text(
            """
            INSERT INTO car_listing_analytics (car_listing_id, event_type, created_at)
            SELECT n, 'view', now() - interval '300 days' FROM generate_series(1, 100000) AS n
            """
        )
    )
    session.commit()

    def write_batch(self: pq.ParquetWriter, batch: pa.RecordBatch) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(pq.ParquetWriter, "write_batch", write_batch)
        with pytest.raises(OSError, match="No space left"):
            archive_old_analytics()
    assert events(session) == 100_000
    session.rollback()
    assert archive_old_analytics()["events"] == 100_000
