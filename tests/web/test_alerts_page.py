"""The page of alerts: who is told, of what, whether it arrived, and what would be told now."""

import httpx
import psycopg

from forecourt.alerts import content
from forecourt.store import alert_messages, alerts, tasks


def test_without_anybody_to_tell_it_says_so_and_what_to_do(pages: httpx.Client) -> None:
    page = pages.get("/alerts").text
    assert "Nobody is told" in page
    assert "FORECOURT_ALERT_MAIL=ops@cars.example" in page
    assert "No trouble was seen." in page
    assert "Nothing was told yet." in page
    assert "to nobody" in page, "no worker works, and nobody would be told"
    assert 'href="/alerts"' in pages.get("/doctor").text.replace("'", '"')


def test_troubles_and_what_was_told_of_them_are_shown_with_what_went_wrong(
    pages: httpx.Client, tx: psycopg.Connection
) -> None:
    at = tasks.now(tx)
    begun = [
        alerts.begin(tx, "x", at, subject=name, status="fail", found=f"<b>{name}", advice="", lasts=True)
        for name in ("disk", "workers")
    ]
    alerts.told(tx, [begun[0].id], at)
    alerts.end(tx, [begun[0].id], at)
    told = content.content(begun[1:], begun[:1], 0, at)
    sent, unsent, empty = (alert_messages.enter(tx, "mail", words) for words in (told, told, {}))
    alert_messages.sent(tx, sent, ["anna@cars.example"])
    alert_messages.refused(tx, unsent, "OSError: the server is away")
    alert_messages.sent(tx, empty, [])
    page = pages.get("/alerts").text
    assert page.index("&lt;b&gt;workers") < page.index("&lt;b&gt;disk"), "what is not over comes first"
    for words in ("anna@cars.example", "OSError: the server is away", "not sent", "[Forecourt] ✕ workers"):
        assert words in page, words
