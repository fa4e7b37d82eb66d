"""Promises of restoring: what was archived can be queried again, exactly, and disturbs nothing that
lives.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session
from traffic import event, events, midday

from forecourt.marketplace.archive import ArchiveError, archive_old_analytics
from forecourt.marketplace.restore import restore
from forecourt.settings import settings


@pytest.fixture
def archived(session: Session) -> Path:
    """A file of three events."""
    for n, ip in enumerate(["203.0.113.0", "2001:db8:1::", None]):
        event(session, n, midday(session, 200 + n), 'say "hi",\nthere' if n else "", ip)
    session.commit()
    archive_old_analytics()
    [path] = settings().archive.rglob("*.parquet")
    return path


def test_restored_events_are_what_they_were(session: Session, archived: Path) -> None:
    assert restore(str(archived)) == {"events": 3, "restored": 3}
    rows = session.execute(text("SELECT * FROM car_listing_analytics_restored ORDER BY id")).all()
    assert [(row.id, row.car_listing_id, row.created_at) for row in rows] == [
        (n + 1, n, midday(session, 200 + n)) for n in range(3)
    ]
    assert [row.event_type for row in rows] == ["", 'say "hi",\nthere', 'say "hi",\nthere']
    assert [row.user_ip and str(row.user_ip) for row in rows] == ["203.0.113.0", "2001:db8:1::", None]


def test_restoring_twice_adds_nothing(session: Session, archived: Path) -> None:
    restore(str(archived))
    assert restore(str(archived.relative_to(settings().archive))) == {"events": 3, "restored": 0}


def test_restored_events_are_not_among_the_live_ones(session: Session, archived: Path) -> None:
    restore(str(archived))
    assert events(session) == 0
    session.rollback()
    assert archive_old_analytics()["events"] == 0


def test_a_file_that_no_run_finished_is_refused_with_words(archived: Path, tmp_path: Path) -> None:
    for stranger in (archived.with_name("other.parquet"), tmp_path / "elsewhere.parquet"):
        stranger.write_bytes(archived.read_bytes())
        with pytest.raises(LookupError, match="no archive is named"):
            restore(str(stranger))


def test_a_file_that_changed_since_is_refused(session: Session, archived: Path) -> None:
    content = bytearray(archived.read_bytes())
    ids = pq.read_metadata(archived).row_group(0).column(0)
    content[ids.data_page_offset + ids.total_compressed_size - 1] ^= 0xFF
    archived.write_bytes(content)
    with pytest.raises((ArchiveError, OSError, pa.ArrowException)):
        restore(str(archived))
    assert session.scalar(text("SELECT count(*) FROM car_listing_analytics_restored")) == 0
