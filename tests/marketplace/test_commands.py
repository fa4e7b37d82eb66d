"""Promises of the marketplace's commands: they look, they bring back, and what destroys says first
what would go.
"""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from showroom import ago, calls, listing, sponsored, told, user
from sqlalchemy import text
from sqlalchemy.orm import Session
from traffic import event, midday

from forecourt.cli import forecourt
from forecourt.cli.errors import explained
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.settings import settings


def run(*arguments: Any, code: int = 0) -> Result:
    """The command in this process; its exit code as the console script has it."""
    result = CliRunner().invoke(forecourt, [str(argument) for argument in arguments])
    error = result.exception
    found = explained(error)[0] if isinstance(error, Exception) else result.exit_code
    assert found == code, (found, result.output, error)
    return result


def said(result: Result) -> Any:
    return json.loads(result.stdout)


def audited(session: Session) -> list[tuple[str, int]]:
    session.rollback()
    return [tuple(row) for row in session.execute(text("SELECT action, count FROM forecourt.audit ORDER BY id"))]


def in_trash(session: Session, *ages: str) -> list[int]:
    ids = [listing(session, deleted_at=ago(session, age)).id for age in ages]
    session.commit()
    return ids


def test_the_trash_is_listed_first_to_go_first(session: Session) -> None:
    young, old = in_trash(session, "1 day", "40 days")
    assert [row["id"] for row in said(run("trash", "list", "--json"))] == [old, young]
    assert "Kia Rio" in run("trash", "list").stdout


def test_a_listing_comes_back_from_the_trash(session: Session) -> None:
    [id] = in_trash(session, "29 days")
    assert said(run("trash", "restore", id, "--json")) == {"restored": 1}
    assert session.scalar(text("SELECT deleted_at FROM car_listings")) is None
    assert audited(session) == [("trash restore", 1)]


def test_of_several_all_come_back_or_none(session: Session) -> None:
    [id] = in_trash(session, "1 day")
    result = run("trash", "restore", id, 404, code=5)
    assert "not in the trash: 404" in str(result.exception)
    assert session.scalar(text("SELECT deleted_at FROM car_listings")) is not None


def test_a_dry_purge_says_exactly_what_a_purge_then_does(session: Session) -> None:
    old, older, _young = in_trash(session, "31 days", "60 days", "1 day")
    event(session, old, midday(session, 1))
    session.execute(text("CREATE TABLE favorites (id bigint REFERENCES car_listings)"))
    session.execute(text("INSERT INTO favorites VALUES (:id)"), {"id": older})
    session.commit()
    would = said(run("trash", "purge", "--dry-run", "--json"))
    assert (would["deleted"], would["events"], would["kept"][0]["listing_id"]) == (1, 1, older)
    assert session.scalar(text("SELECT count(*) FROM car_listings")) == 3
    session.rollback()
    done = said(run("trash", "purge", "--yes", "--json"))
    assert {**would, "dry_run": False} == done
    assert session.scalar(text("SELECT count(*) FROM car_listings")) == 2
    assert audited(session) == [("trash purge", 1)]


def test_a_purge_asks_first_and_takes_what_is_named_whatever_its_age(session: Session) -> None:
    young, other = in_trash(session, "1 hour", "1 hour")
    assert "repeat with --yes" in str(run("trash", "purge", young, code=4).exception)
    run("trash", "purge", young, "--yes")
    assert session.scalars(text("SELECT id FROM car_listings")).all() == [other]
    assert "not in the trash: 404" in str(run("trash", "purge", 404, "--yes", code=5).exception)


def test_placements_are_listed_first_to_end_first_and_extended(session: Session) -> None:
    soon = sponsored(session, ago(session, "-2 days"))
    endless = sponsored(session, None)
    featured = listing(session, is_featured=True, featured_until=ago(session, "-9 days"), featured_position=1)
    session.commit()
    assert [row["id"] for row in said(run("placements", "list", "--json"))] == [soon.id, featured.id, endless.id]
    assert [row["id"] for row in said(run("placements", "list", "--ending-within", 3, "--json"))] == [soon.id]
    before = soon.sponsored_until
    run("placements", "extend", soon.id, "--days", 30)
    session.refresh(soon)
    assert before is not None
    assert soon.sponsored_until is not None
    assert (soon.sponsored_until - before).days == 30
    run("placements", "extend", featured.id, "--days", 1, "--kind", "featured")
    assert "has no end to move" in str(run("placements", "extend", endless.id, "--days", 1, code=5).exception)
    assert audited(session) == [("placements extend", 1), ("placements extend", 1)]


def test_a_placement_that_is_over_but_still_shown_goes_on_from_now(session: Session) -> None:
    late = sponsored(session, ago(session, "3 hours"))
    session.commit()
    run("placements", "extend", late.id, "--days", 1)
    session.refresh(late)
    assert late.sponsored_until is not None
    assert late.sponsored_until > ago(session, "-23 hours")


def test_notices_are_listed_with_what_became_of_their_mails(session: Session) -> None:
    notice = told(session)
    assert [row["id"] for row in said(run("notices", "list", "--json"))] == [str(notice.id)]
    assert said(run("notices", "list", "--status", "failed", "--json")) == []
    assert "sponsorship_expired" in run("notices", "list").stdout


def test_every_mail_can_be_looked_at_in_both_languages(database: str, tmp_path: Path) -> None:
    run("notices", "preview", "--to", tmp_path / "mails")
    kinds = {"low_wallet_balance", "photos_refused", "sponsorship_ending", "sponsorship_expired", "digest"}
    expected = {f"{kind}.{language}.{form}" for kind in kinds for language in ("en", "ar") for form in ("html", "txt")}
    assert {path.name for path in (tmp_path / "mails").iterdir()} == expected
    assert "Kia Rio" in run("notices", "preview", "--kind", "photos_refused", "--language", "en").stdout


def test_a_failed_mail_is_sent_again_and_a_sent_one_is_not(session: Session) -> None:
    failed, sent = told(session, owner=user(session, "Sami")), told(session, owner=user(session, "Nour"))
    session.execute(text("DELETE FROM forecourt.ready"))
    for notice, status in ((failed, "failed"), (sent, "sent")):
        session.execute(
            text("UPDATE notifications SET mail_status = :status WHERE id = :id"), {"id": notice.id, "status": status}
        )
    session.commit()
    assert said(run("notices", "resend", "--status", "failed", "--dry-run", "--json"))["notices"] == [str(failed.id)]
    assert calls(session, "deliver_mail") == []
    session.rollback()
    run("notices", "resend", failed.id)
    assert calls(session, "deliver_mail") == [{"notification_id": str(failed.id)}]
    assert audited(session) == [("notices resend", 1)]
    for id in (sent.id, uuid4()):
        assert "no notice whose mail was filed" in str(run("notices", "resend", id, code=5).exception)
    run("notices", "resend", code=2)


@pytest.fixture
def archived(session: Session) -> Path:
    event(session, 1, midday(session, 200))
    session.commit()
    archive_old_analytics()
    [path] = settings().archive.rglob("*.parquet")
    return path


def test_archives_are_listed_verified_and_restored(session: Session, archived: Path) -> None:
    [row] = said(run("analytics", "archive", "list", "--json"))
    assert (row["events"], row["there"]) == (1, True)
    assert said(run("analytics", "archive", "verify", "--json"))[0]["wrong"] is None
    assert said(run("analytics", "archive", "restore", row["path"], "--json")) == {"events": 1, "restored": 1}
    assert session.scalar(text("SELECT count(*) FROM car_listing_analytics_restored")) == 1
    run("analytics", "archive", "restore", "nowhere.parquet", code=5)


def test_an_archive_that_is_damaged_or_missing_is_named(session: Session, archived: Path) -> None:
    data = archived.read_bytes()
    archived.write_bytes(data[:100] + b"?" + data[101:])
    result = run("analytics", "archive", "verify", code=1)
    assert "1 of 1 files are not what was archived" in str(result.exception)
    archived.unlink()
    assert "the file is missing" in run("analytics", "archive", "verify", code=1).stdout
    assert "missing" in run("analytics", "archive", "list").stdout
    run("analytics", "archive", "restore", archived, code=1)


def test_archiving_can_be_looked_at_first(session: Session) -> None:
    event(session, 1, midday(session, 200))
    session.commit()
    result = run("analytics", "archive", "--dry-run")
    assert "1 analytics records would be archived and deleted." in result.stdout
    assert "Archiving analytics older than 20" in result.stderr
    assert session.scalar(text("SELECT count(*) FROM car_listing_analytics")) == 1


def test_the_published_sitemap_is_validated_and_what_is_wrong_is_named(session: Session) -> None:
    generate_sitemap()
    assert "3 entries, valid" in run("sitemap", "validate").stdout
    path = settings().public / "sitemap.xml"
    path.write_bytes(path.read_bytes().replace(b"daily", b"often"))
    for where in (path, path.parent):
        assert "changefreq 'often'" in run("sitemap", "validate", where, code=1).stdout
