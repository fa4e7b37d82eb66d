"""What the duties have to do with is on one page, where the application is the marketplace."""

import httpx
import psycopg
import pytest

from forecourt.marketplace import business_changes
from forecourt.settings import settings


def test_an_empty_marketplace_is_in_order_and_says_what_there_is_not(pages: httpx.Client) -> None:
    page = pages.get("/marketplace").text
    assert "The marketplace is in order." in page
    for words in (
        "None ends within a week",
        "No day has been rolled up",
        "Nobody has been told",
        "Nothing has been archived",
    ):
        assert words in page
    assert 'href="/marketplace"' in pages.get("/").text


def test_placements_wallets_notices_and_files_are_counted(pages: httpx.Client, tx: psycopg.Connection) -> None:
    tx.execute("INSERT INTO users (id, name) VALUES (1, 'Anna')")
    tx.execute(
        "INSERT INTO car_listings (owner_id, title, slug, is_sponsored, sponsored_until, is_featured, featured_until)"
        " SELECT 1, 't', 's' || n, true, now() + interval '2 days', n <= 3, now() + interval '2 days'"
        " FROM generate_series(1, 5) AS n"
    )
    tx.execute(
        "INSERT INTO car_listings (owner_id, title, slug, is_sponsored, sponsored_until)"
        " VALUES (1, 't', 'over', true, now() - interval '1 h')"
    )
    tx.execute(
        "INSERT INTO car_providers (user_id, name, wallet_balance) VALUES (1, 'a', 12), (1, 'b', 0), (1, 'c', 500)"
    )
    tx.execute(
        "INSERT INTO notifications (user_id, kind, dedupe_key, mail_status) VALUES (1, 'k', 'a', 'sent'), (1, 'k', 'b', 'failed')"
    )
    tx.execute("INSERT INTO analytics_days (date, events) VALUES ('2026-01-02', 4500)")
    tx.execute(
        "INSERT INTO analytics_archives (path, lower, upper) VALUES ('2025/01.parquet', '2025-01-01Z', '2025-02-01Z')"
    )
    tx.execute("INSERT INTO sitemap_runs (urls, files, bytes) VALUES (4112, 1, 402000)")
    page = pages.get("/marketplace").text
    assert "1 placement has ended" in page
    assert "6 sponsorships and 3 featurings end within 7 days" in page
    assert "Wallets running low</dt><dd>1<" in page
    for words in ("4,500", "not finished", "4,112", "402 kB", "failed"):
        assert words in page, words


def test_another_application_has_no_such_page(pages: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    settings.cache_clear()
    assert pages.get("/marketplace").status_code == 404
    assert 'href="/marketplace"' not in pages.get("/").text


def test_the_settings_of_the_business_are_shown_with_who_changed_them(
    pages: httpx.Client, tx: psycopg.Connection
) -> None:
    business_changes.change(tx, "trash_days", "14", who="ada (command line)")
    page = pages.get("/settings").text
    for shown in ("trash_<wbr>days", "<strong>14</strong>", "by ada (command line)", "wallet_<wbr>limit.KWD"):
        assert shown in page
