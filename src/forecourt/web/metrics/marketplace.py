"""The families of the marketplace's duties: what they leave behind, and what waits for them."""

from collections.abc import Iterator
from datetime import UTC, datetime, time
from typing import Any

from psycopg import Connection

from forecourt.settings import settings
from forecourt.web import market_figures
from forecourt.web.metrics.exposition import Family


def families(tx: Connection[Any]) -> Iterator[Family]:
    """All of them, as the database is now."""
    found = market_figures.figures(tx, settings().timezone)
    counts = found["counts"]
    for sitemap in found["sitemaps"][:1]:
        yield Family(
            "forecourt_sitemap_published_timestamp_seconds", "gauge", "When the sitemap was last published.",
            [({}, sitemap["published_at"])],
        )  # fmt: skip
        yield Family("forecourt_sitemap_urls", "gauge", "Addresses in it.", [({}, sitemap["urls"])])
    dropped = [archive["dropped_at"] for archive in found["archives"] if archive["dropped_at"] is not None]
    yield Family(
        "forecourt_archive_last_timestamp_seconds", "gauge", "When old events were last archived and dropped.",
        [({}, max(dropped))] if dropped else [],
    )  # fmt: skip
    days = [day["date"] for day in found["days"] if day["aggregated_at"] is not None]
    yield Family(
        "forecourt_rollup_last_day_timestamp_seconds", "gauge", "The last day whose events are rolled up, at its midnight in UTC.",
        [({}, datetime.combine(max(days), time(), UTC))] if days else [],
    )  # fmt: skip
    yield Family(
        "forecourt_notices", "gauge", f"Notices by the state of their mail; looked at are {market_figures.CAP} at most.",
        [({"state": row["state"]}, row["notices"]) for row in found["notices"]],
    )  # fmt: skip
    yield Family(
        "forecourt_placements_overdue", "gauge", "Sponsored and featured listings whose time is over.",
        [({}, sum(row["overdue"] for row in found["ending"]))],
    )  # fmt: skip
    for name, words, count in (
        ("rollups_outdated", "Days that got events after they were rolled up.", counts["late_days"]),
        ("event_partitions", "Partitions of the events.", counts["partitions"]),
        ("events_without_partition", "Events that had no partition of their day.", counts["strays"]),
        ("wallets_low", "Providers whose wallet runs dry.", counts["low_wallets"]),
        ("listings_trashed", "Listings in the trash.", counts["trashed"]),
        ("listings_to_delete", "Listings whose time in the trash is over.", counts["trash_due"]),
        ("files_to_delete", "Files of deleted listings that are still there.", counts["files_to_delete"]),
    ):
        yield Family(f"forecourt_{name}", "gauge", words, [({}, count)])
