"""Promises of the log: the reference's own lines, with their counts, at INFO."""

import logging

import pytest
from showroom import ago, listing, provider, sponsored
from sqlalchemy.orm import Session
from traffic import event, midday

from forecourt.marketplace.analytics import aggregate_daily_analytics
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.marketplace.placements import expire_featured_listings, expire_sponsored_listings
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.marketplace.trash import cleanup_soft_deleted
from forecourt.marketplace.wallets import notify_low_wallet_balance


def test_each_task_and_command_of_the_reference_logs_its_line(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        sponsored(session, ago(session, "1 day"))
    listing(session, is_featured=True, featured_until=ago(session, "1 day"))
    event(session, listing(session).id, midday(session, 1))
    event(session, listing(session).id, midday(session, 200))
    listing(session, deleted_at=ago(session, "40 days"))
    provider(session, "10")
    session.commit()
    caplog.set_level(logging.INFO, logger="forecourt.marketplace")
    expire_sponsored_listings(session=session)
    expire_featured_listings(session=session)
    aggregate_daily_analytics(session=session)
    cleanup_soft_deleted(session=session)
    notify_low_wallet_balance(session=session)
    session.commit()
    archive_old_analytics(180)
    generate_sitemap()
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
    assert said == [
        "Expired 2 sponsored listings",
        "Expired 1 featured listings",
        "Aggregated daily stats for 2 listings",
        "Permanently deleted 1 old soft-deleted listings",
        "Sent low balance notifications to 1 providers",
        "Archived old analytics",
        "Generating sitemap",
        "Sitemap generated successfully",
    ]
    archived = next(record for record in caplog.records if record.getMessage() == "Archived old analytics")
    assert vars(archived)["records_deleted"] == 1
    assert vars(archived)["cutoff_date"] is not None
