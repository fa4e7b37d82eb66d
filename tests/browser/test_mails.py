"""The mails in a real browser: narrow and wide, light and dark, in both languages, with a word that
has no place to break.
"""

from dataclasses import asdict, replace
from typing import Any

import psycopg
import pytest
from test_pages import Look, wrong_with

from forecourt.marketplace import letters
from forecourt.marketplace.told import SAMPLES
from forecourt.marketplace.unsubscribing import link

LONG = "K" * 300


def mails() -> list[tuple[str, str]]:
    """A name and the HTML of each kind and language; what people typed is one long word."""
    found = []
    for language in ("en", "ar"):
        reader = letters.Reader.of("Sami", language, "Asia/Damascus")
        for sample, now in SAMPLES:
            typed = {"provider": LONG} if hasattr(sample, "provider") else {"title": LONG}
            facts = asdict(replace(sample, **typed)) | now
            written = letters.write(sample.kind, reader, facts, link="https://cars.example/x", unsubscribe="https://u")
            found.append((f"{sample.kind} ({language})", written.html))
        told = {"lines": [("Wallet", LONG)], "count": 1, "more": 0}
        found.append((f"digest ({language})", letters.write("digest", reader, told, link="https://cars.example").html))
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_mail_fits_and_can_be_read(chromium: Any, empty_var: object, dark: bool) -> None:
    context = chromium.new_context(color_scheme="dark" if dark else "light")
    page = context.new_page()
    wrong: list[str] = []
    for name, html in mails():
        page.set_content(html)
        for width in (360, 600):
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                wrong.append(f"{name}: {wide} px wide at {width}")
        wrong += [f"{name}: {violation}" for violation in wrong_with(page, ["color-contrast"])]
    context.close()
    assert wrong == []


def test_the_page_where_mails_end_is_accessible_in_both_languages(looking_at: Look, database: str) -> None:
    with psycopg.connect(database) as tx:
        users = tx.execute(
            "INSERT INTO users (name, locale) VALUES ('Ada', 'en'), ('سامي', 'ar') RETURNING id"
        ).fetchall()
        paths = [link(tx, user, "sponsorship_expired").partition("8000")[2] for (user,) in users]
    with looking_at(width=360, dark=True) as page:
        for path in paths:
            page.goto(path)
            page.get_by_role("button").first.click()
            assert wrong_with(page) == []
            assert page.get_by_role("status").is_visible()
