"""What the duties have to do with is on one page, where the application is the marketplace."""

from collections.abc import Callable

import httpx
import psycopg
import pytest

from forecourt.app import load
from forecourt.doctor.check import House, Result
from forecourt.doctor.marketplace import twins
from forecourt.marketplace import business_changes
from forecourt.marketplace.business import business
from forecourt.settings import settings
from forecourt.store import alerts
from serving import OURS


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
    for words in ("4,500", "not finished", "4,112", "402 kB", "failed", "2025/01.parquet"):
        assert words in page, words
    assert 'href="/calls?state=done&amp;job=process_car_images">0 done<' in page


def test_another_application_has_no_such_page(pages: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    settings.cache_clear()
    assert pages.get("/marketplace").status_code == 404
    assert 'href="/marketplace"' not in pages.get("/").text


def test_the_settings_of_the_business_are_shown_with_who_changed_them(
    pages: httpx.Client, tx: psycopg.Connection
) -> None:
    business_changes.change(tx, "trash_days", "14", who="ada (command line)")
    page = pages.get("/settings").text.replace('<wbr class="narrow-only">', "")
    for shown in ("trash_days", "<strong>14</strong>", "by ada (command line)", "wallet_limit.KWD"):
        assert shown in page


def test_an_admin_changes_a_setting_on_its_page_and_takes_it_back(
    pages: httpx.Client, tx: psycopg.Connection, post: Callable[..., str]
) -> None:
    page = post("/settings/business", name="trash_days", value=" 14 ", back="/settings#set-trash_days")
    for shown in (
        "trash_days is 14 now.",
        "<strong>14</strong>",
        "forecourt settings set trash_days 14",
        "Back to default",
    ):
        assert shown in page
    assert "a whole number from 0 to 36500, by default 30" in page
    assert "<option selected>whole</option><option>good</option>" in page
    assert business(tx).trash_days == 14
    assert "trash_days is at its default again." in post("/settings/default", name="trash_days", back="/settings")
    assert business(tx).trash_days == 30
    assert "wallet_limit.KWD is 20 now." in post("/settings/business", of="KWD", value="20", back="/settings")
    assert tx.execute("SELECT amount FROM wallet_limits WHERE currency = 'KWD'").fetchone() == (20,)
    done = tx.execute("SELECT who, action, target ->> 'value' FROM forecourt.audit ORDER BY id").fetchall()
    assert done == [
        ("this machine (web)", "settings set", "14"), ("this machine (web)", "settings unset", None),
        ("this machine (web)", "settings set", "20"),
    ]  # fmt: skip


def test_a_list_as_long_as_one_may_be_is_kept_whole(tx: psycopg.Connection, post: Callable[..., str]) -> None:
    parts = tuple(f"crawler of the house {number}" for number in range(100))
    post("/settings/business", name="programs", value=",".join(parts), back="/settings")
    assert business(tx).programs == parts


def test_what_will_not_do_comes_back_to_its_field_with_what_was_expected_and_changes_nothing(
    pages: httpx.Client, tx: psycopg.Connection, post: Callable[..., str]
) -> None:
    page = post("/settings/business", name="trash_days", value='so"on', back="/settings")
    assert '<details class="pop do" id="set-trash_days" open>' in page
    assert "trash_days: expected a whole number from 0 to 36500, not &#39;so&#34;on&#39;" in page
    assert 'value="so&#34;on"' in page
    for of, value, why in (
        ("KWD", "-1", "wallet_limit.KWD: expected a number from 0.01 to 9999999999 with up to two decimals"),
        ("provider.404", "5", "there is no provider 404"), ("kwd", "5", "there is no setting"),
    ):  # fmt: skip
        page = post("/settings/business", of=of, value=value, back="/settings")
        assert (why in page, page.count('aria-invalid="true"')) == (True, 1)
    arabic = pages.get(
        "/settings?set=trash_days&to=soon", headers={"accept": "text/html", "accept-language": "ar"}
    ).text
    assert "المطلوب \u2068عدد صحيح من 0 إلى 36500\u2069" in arabic
    assert pages.post("/settings/default", data={"name": "no_such"}, headers=OURS).status_code == 404
    assert tx.execute("SELECT count(*) FROM forecourt.audit").fetchone() == (0,)


def test_photos_on_two_listings_are_shown_and_told_once_a_day_until_somebody_looked(
    pages: httpx.Client, tx: psycopg.Connection
) -> None:
    assert "Photos on two listings" not in pages.get("/marketplace").text
    tx.execute("INSERT INTO users (id, name) VALUES (1, 'Anna'), (2, 'Ben')")
    tx.execute("INSERT INTO car_listings (id, owner_id, title, slug) VALUES (7, 1, 'Kia <b>', 'k'), (8, 2, 'Kia', 'l')")
    enter = (
        "INSERT INTO photo_twins (car_listing_id, key, other_listing_id, other_key, bits, found_at)"
        " VALUES (7, %s, 8, 'x', 2, now() - %s::interval) RETURNING id"
    )
    [(old,)] = tx.execute(enter, ["a", "30 hours"]).fetchall()
    app = load("forecourt.marketplace.app:app")

    def found() -> Result:
        now = tx.execute("SELECT now()").fetchone()[0]
        return twins(House(tx, app, now))[0]

    assert (found().name, found().status) == ("twins", "ok"), "it was told yesterday"
    [(new,)] = tx.execute(enter, ["b", "1 second"]).fetchall()
    told = found()
    assert (told.status, told.tell, told.found) == ("warn", "once", "1 photo is on another listing as well")
    assert told.name.startswith("twins 20"), "each day is told by itself"
    at = tx.execute("SELECT now()").fetchone()[0]
    alert = alerts.begin(tx, settings().app, at, subject=told.name, status="warn", found="", advice="", lasts=False)
    alerts.told(tx, [alert.id], at)
    assert found().name == told.name
    tx.execute("UPDATE forecourt.alerts SET told_at = told_at - interval '1 min'")
    tx.execute("UPDATE photo_twins SET found_at = found_at - interval '23 h' WHERE id = %s", [new])
    tx.execute(
        "UPDATE forecourt.alerts SET told_at = told_at - interval '23 h',"
        " subject = 'twins ' || (now() - interval '23 h 1 s')::date"
    )
    today = at.astimezone(settings().zone).date()
    assert found().name == f"twins {today}", "what a day brings after it was told is told with the next"
    page = pages.get("/marketplace").text
    assert "Kia &lt;b&gt;" in page
    assert "another one" in page
    assert f"forecourt photos settle {new} {old}" in page
    in_arabic = pages.get("/marketplace", headers={"accept": "text/html", "accept-language": "ar"}).text
    assert "صور في إعلانين" in in_arabic
    tx.execute("UPDATE photo_twins SET settled_at = now(), settled_by = 'ada'")
    assert found().status == "ok"
    assert "Photos on two listings" not in pages.get("/marketplace").text
