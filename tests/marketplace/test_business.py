"""Promises of the business settings: one typed place, limits that hold, changes that are known, one
answer a call.
"""

import logging
from pathlib import Path

import pytest
from showroom import ago, listing, provider
from sqlalchemy import text
from sqlalchemy.orm import Session
from test_commands import audited, run, said

from forecourt.database import in_transaction_of
from forecourt.marketplace.business import CURRENCIES, DEFAULTS, KINDS, Business, business
from forecourt.marketplace.business_changes import change
from forecourt.marketplace.events import record_event
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.marketplace.trash import cleanup_soft_deleted
from forecourt.marketplace.uploads import BadUpload
from forecourt.marketplace.wallets import notify_low_wallet_balance
from forecourt.settings import settings

TYPED = {
    "wallet_limit": ("75.5", ["0", "-1", "1e20", "fifty", "1.234", "NaN", ""]),
    "trash_days": ("7", ["-1", "36501", "7.5", "٧", "9" * 40]),
    "quiet_hours": ("22:00-08:00", ["22:00", "8-22-9", "08:00-08:00", "25:00-08:00", "22:00-08:61"]),
    "photo_widths": ("1200,600", ["", "15", "4097", "800,800", "1,2,3,4,5,6,7", "a"]),
    "visitor_address": ("hashed", ["plain", "Kept", ""]),
    "previews_count": ("yes", ["true", "1", ""]),
    "programs": ("acmebot,other thing", ["ab", "x\ny", ",".join(["abc"] * 101)]),
    "sitemap_home": ("0.5", ["1.1", "-0.1", "0.123"]),
    "digest_at": ("07:30", ["24:00", "7", "07:60"]),
}


def test_every_default_is_within_its_own_limits_and_read_as_it_is_written() -> None:
    for name, kind in KINDS.items():
        default = getattr(DEFAULTS, name)
        assert kind.read(kind.write(default)) == default, name


@pytest.mark.parametrize("name", TYPED)
def test_a_value_within_its_limits_is_taken_and_any_other_refused_with_what_was_expected(name: str) -> None:
    good, bad = TYPED[name]
    assert KINDS[name].write(KINDS[name].read(good)) == good
    for typed in bad:
        with pytest.raises(ValueError):
            KINDS[name].read(typed)


def test_a_change_holds_from_the_next_reading_on_is_audited_and_can_be_taken_back(session: Session) -> None:
    assert business(session) == Business()
    session.rollback()
    assert "trash_days is 7" in run("settings", "set", "trash_days", "7").stdout
    assert business(session).trash_days == 7
    session.rollback()
    [row] = said(run("settings", "list", "--changed", "--json"))
    assert (row["name"], row["value"], row["default"]) == ("trash_days", "7", "30")
    assert "command line" in row["changed_by"]
    run("settings", "unset", "trash_days")
    assert "already" in run("settings", "unset", "trash_days").stdout
    assert business(session) == Business()
    assert [action for action, _ in audited(session)] == ["settings set", "settings unset"]
    target = session.scalar(text("SELECT target FROM forecourt.audit ORDER BY id LIMIT 1"))
    assert target == {"name": "trash_days", "value": "7", "before": "30"}


def test_what_will_not_do_is_answered_with_words_and_changes_nothing(session: Session) -> None:
    result = run("settings", "set", "trash_days", "soon", code=2)
    assert str(result.exception) == "trash_days: expected a whole number from 0 to 36500, not 'soon'"
    assert "did you mean trash_days" in str(run("settings", "set", "trash_dys", "7", code=5).exception)
    assert "there is no provider 404" in str(run("settings", "set", "wallet_limit.provider.404", "7", code=5).exception)
    run("settings", "unset", "wallet_limit.usd", code=5)
    assert business(session) == Business()
    assert audited(session) == []


def test_the_list_shows_every_setting_with_its_default_and_what_it_is(session: Session) -> None:
    shown = run("settings", "list").stdout
    assert all(name in shown for name in KINDS)
    assert "days for which a listing lies in the trash" in shown


def test_what_was_written_by_other_means_and_will_not_do_is_a_warning_and_the_default_holds(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    session.execute(
        text("""
            INSERT INTO business_settings (name, value)
            VALUES ('trash_days', 'soon'), ('view_minutes', 'soon'),
                   ('visitor_address', 'x'), ('wallet_limit', '-1'), ('of_old', 'x')
        """)
    )
    with caplog.at_level(logging.WARNING):
        assert business(session) == Business()
    assert "trash_days is 'soon', expected a whole number" in caplog.text
    assert record_event(listing(session).id, "view", ip="203.0.113.7", session=session) == "view"
    assert session.scalars(text("SELECT host(user_ip) FROM car_listing_analytics")).one() == "203.0.113.0"
    assert session.scalars(text("SELECT wallet_limit('XYZ', NULL)")).one() == 50


def test_the_limit_of_a_wallet_is_set_by_provider_and_by_currency(session: Session) -> None:
    own, dinars, other = (
        provider(session, "300"),
        provider(session, "18", wallet_currency="KWD"),
        provider(session, "60"),
    )
    other.wallet_currency = "XXX"
    session.commit()
    assert notify_low_wallet_balance(session=session)["low"] == 0
    session.rollback()
    for name, amount in ((f"wallet_limit.provider.{own.id}", 500), ("wallet_limit.KWD", 20), ("wallet_limit", 75)):
        run("settings", "set", name, amount)
    assert notify_low_wallet_balance(session=session)["low"] == 3
    session.rollback()
    changed = {row["name"]: row["value"] for row in said(run("settings", "list", "--changed", "--json"))}
    assert changed == {f"wallet_limit.provider.{own.id}": "500", "wallet_limit.KWD": "20", "wallet_limit": "75"}
    for name in changed:
        run("settings", "unset", name)
    assert notify_low_wallet_balance(session=session)["low"] == 0
    assert dinars.wallet_currency == "KWD"


def test_the_limits_by_currency_are_those_that_the_migration_wrote(session: Session) -> None:
    assert dict(session.execute(text("SELECT currency, amount FROM wallet_limits")).all()) == CURRENCIES
    assert session.scalar(text("SELECT wallet_limit('XXX', NULL)")) == DEFAULTS.wallet_limit


def test_the_duties_do_as_they_are_told(session: Session, tmp_path: Path) -> None:
    listing(session, deleted_at=ago(session, "8 days"))
    tx = in_transaction_of(session)
    assert cleanup_soft_deleted(session=session)["deleted"] == 0
    change(tx, "trash_days", "7", who="a test")
    assert cleanup_soft_deleted(session=session)["deleted"] == 1
    change(tx, "sitemap_home", "0.25", who="a test")
    session.commit()
    generate_sitemap()
    assert b"<priority>0.25</priority>" in (settings().public / "sitemap.xml").read_bytes()


def test_more_photos_than_a_listing_has_are_refused_when_they_are_dispatched(session: Session) -> None:
    from forecourt.marketplace.photos import process_car_images

    change(in_transaction_of(session), "photos_most", "2", who="a test")
    session.commit()
    with pytest.raises(BadUpload, match="3 photos; a listing has at most 2"):
        process_car_images.dispatch(images=["aGVsbG8="] * 3, listing_id=1)


def test_sql_reads_what_was_set(session: Session) -> None:
    ask = text("SELECT business_setting('view_minutes', '30')")
    assert session.scalar(ask) == "30"
    change(in_transaction_of(session), "view_minutes", "5", who="a test")
    assert session.scalar(ask) == "5"
