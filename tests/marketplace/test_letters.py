"""Promises of the wording: both languages, hostile values, dates and amounts as the reader writes
them.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from jinja2 import UndefinedError
from lxml import html

from forecourt.marketplace import letters
from forecourt.marketplace.charts import bars
from forecourt.marketplace.letters import DIRECTIONAL_CONTROLS, Letter, Reader
from forecourt.settings import settings

FACTS: dict[str, dict[str, letters.Fact]] = {
    "sponsorship_expired": {
        "title": "Kia Rio 2019 — دمشق 123456",
        "sponsored_until": datetime(2026, 11, 23, 21, 1, tzinfo=UTC),
        "views": 1234,
        "brought_views": 1234,
        "brought_contacts": 7,
        "first_day": date(2026, 11, 22),
        "last_day": date(2026, 11, 23),
        "views_by_day": [1000, 234],
    },
    "sponsorship_ending": {
        "title": "Kia Rio 2019 — دمشق 123456",
        "sponsored_until": datetime(2026, 11, 23, 21, 1, tzinfo=UTC),
    },
    "low_wallet_balance": {
        "provider": "Al Wadi",
        "balance": Decimal("12.50"),
        "currency": "USD",
        "threshold": Decimal("50.00"),
        "since": datetime(2026, 11, 16, 6, 0, tzinfo=UTC),
    },
    "digest": {"lines": [("Wallet is low", "Al Wadi: 12.50"), ("Photos refused", "Kia Rio")], "count": 9, "more": 7},
    "photos_refused": {
        "title": "Kia Rio 2019 — دمشق 123456",
        "total": 10,
        "refused": [{"position": 4, "code": "broken"}, {"position": 7, "code": "too_large"}],
    },
}
MODULES = list(Path(letters.__file__).parent.glob("*.py"))
HOSTILE = "<script>alert('x')</script>\r\nBcc: all@example.com\u202egnp.exe\u2066\x00\x1b \"&amp; {{ 7*7 }}"
LINK = "https://cars.example/car-listings/%D9%83%D9%8A%D8%A7"

SAID = {
    "sponsorship_expired": ("Kia Rio 2019", "1,234", "12:01"),
    "sponsorship_ending": ("Kia Rio 2019", "12:01"),
    "digest": ("Al Wadi: 12.50", "Kia Rio", "7"),
    "low_wallet_balance": ("12.50", "50.00", "Al Wadi"),
    "photos_refused": ("Kia Rio 2019", "4", "7", "10"),
}

every_letter = pytest.mark.parametrize(
    ("kind", "language"), [(kind, language) for kind in FACTS for language in ("en", "ar")]
)


@pytest.fixture(autouse=True)
def _settings(empty_var: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_BASE_URL", "https://cars.example")
    monkeypatch.setenv("FORECOURT_MAIL_FROM", "Souq Cars <no-reply@cars.example>")
    settings.cache_clear()


def reader(language: str = "en", zone: str | None = "Asia/Damascus", name: str = "Sami") -> Reader:
    return Reader.of(name, language, zone)


def write(kind: str, language: str, **changed: letters.Fact) -> Letter:
    return letters.write(kind, reader(language), FACTS[kind] | changed, link=LINK)


@every_letter
def test_a_letter_says_in_both_forms_what_happened_and_where_to_act(kind: str, language: str) -> None:
    letter = write(kind, language)
    page = html.fromstring(letter.html)
    assert [link.get("href") for link in page.iter("a")] == ["https://cars.example", LINK]
    assert LINK + "\n" in letter.text
    assert "\n" not in letter.subject
    for said in (letter.text, page.text_content()):
        assert "Sami" in said
        assert "Souq Cars" in said
        for fact in SAID[kind]:
            assert fact in said


@every_letter
def test_an_html_letter_declares_language_and_direction_where_mail_clients_keep_them(kind: str, language: str) -> None:
    page = html.document_fromstring(write(kind, language).html)
    direction, start = ("rtl", "right") if language == "ar" else ("ltr", "left")
    table = page.find("body/table")
    assert table is not None
    for element in (page, table):
        assert (element.get("lang"), element.get("dir")) == (language, direction)
    for element in page.iter("td", "h1", "p"):
        if element.get("align") != "center":
            assert f"text-align:{start};" in (element.get("style") or "")
    assert not list(page.iter("script", "link"))
    [dark] = page.iter("style")
    assert str(dark.text).strip().startswith("@media (prefers-color-scheme: dark)")
    assert all(image.get("src") == "cid:views" and image.get("alt") for image in page.iter("img"))


every_letter_with_a_name = pytest.mark.parametrize(
    ("kind", "language"), [(kind, language) for kind in FACTS if kind != "digest" for language in ("en", "ar")]
)


@every_letter_with_a_name
def test_what_people_typed_stands_in_bdi_and_its_markup_is_text(kind: str, language: str) -> None:
    field = "provider" if kind == "low_wallet_balance" else "title"
    letter = write(kind, language, **{field: HOSTILE})
    page = html.fromstring(letter.html)
    assert not list(page.iter("script"))
    typed = [element for element in page.iter() if isinstance(element.text, str) and "alert('x')" in element.text]
    assert [element.tag for element in typed if element.tag != "title"] == ["bdi", "bdi"]
    assert "{{ 7*7 }}" in page.text_content()
    assert "<script>alert('x')</script> Bcc: all@example.comgnp.exe" in letter.text


@every_letter
def test_no_override_or_control_character_gets_into_a_letter(kind: str, language: str) -> None:
    letter = letters.write(
        kind, reader(language, name=HOSTILE), FACTS[kind] | {"title": HOSTILE, "provider": HOSTILE}, link=LINK
    )
    for said in (letter.subject, letter.text, letter.html):
        assert not set("\r\x00\x1b\u202e\u2066") & set(said)
        assert said.count("\u2068") == said.count("\u2069")


@pytest.mark.parametrize("control", sorted(DIRECTIONAL_CONTROLS))
def test_each_directional_control_is_taken_out_of_what_people_typed(control: str) -> None:
    assert letters.harmless(f"Kia{control} Rio") == "Kia Rio"


def test_text_isolates_what_people_typed_and_amounts() -> None:
    letter = write("low_wallet_balance", "ar", provider="AB-123")
    assert "\u2068AB-123\u2069" in letter.text
    assert any("12.50" in part.partition("\u2069")[0] for part in letter.text.split("\u2068"))


def test_a_long_title_is_cut_in_the_subject_and_whole_in_the_letter() -> None:
    letter = write("sponsorship_expired", "en", title="very " * 100 + "long")
    assert len(letter.subject) < 140
    assert "very " * 100 + "long" in letter.text


def test_a_letter_without_one_of_its_facts_is_not_written() -> None:
    facts = {name: fact for name, fact in FACTS["sponsorship_expired"].items() if name != "title"}
    with pytest.raises(UndefinedError, match="title"):
        letters.write("sponsorship_expired", reader(), facts, link=LINK)


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("ar", "ar"),
        ("ar-SY", "ar"),
        ("AR_eg", "ar"),
        ("en", "en"),
        ("en-GB", "en"),
        ("de", "en"),
        ("", "en"),
        (None, "en"),
    ],
)
def test_a_language_without_templates_falls_back_to_english(locale: str | None, language: str) -> None:
    assert Reader.of("Sami", locale, None).language == language


@pytest.mark.parametrize("zone", [None, "", "Mars/Olympus", "../../etc/passwd"])
def test_a_reader_without_a_zone_reads_the_business_zone(zone: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_TIMEZONE", "Africa/Cairo")
    settings.cache_clear()
    assert reader(zone=zone).zone == ZoneInfo("Africa/Cairo")


def test_a_moment_is_told_in_the_reader_s_zone_and_says_whose() -> None:
    at = datetime(2026, 11, 23, 21, 1, tzinfo=UTC)
    assert reader().moment(at) == "November 24, 2026, 12:01\u202fAM (Damascus)"
    assert reader(zone="America/New_York").moment(at) == "November 23, 2026, 4:01\u202fPM (New York)"
    assert reader("ar").moment(at) == "24 نوفمبر 2026، 12:01 ص (دمشق)"


def test_amounts_keep_their_cents_in_every_currency() -> None:
    assert reader().amount(Decimal("1234.5"), "USD") == "$1,234.50"
    assert reader().amount(Decimal("12.5"), "SYP") == "SYP\u00a012.50"
    assert reader("ar").amount(Decimal("12.5"), "SYP") == "12.50\u00a0ليرة سورية"


def test_an_amount_in_an_arabic_line_has_no_latin_letters_that_would_change_places_with_its_number() -> None:
    for currency in ("USD", "EUR", "SYP", "KWD", "EGP", "XBT"):
        written = reader("ar").amount(Decimal("12.5"), currency)
        assert written.startswith("12.50")
        assert currency == "XBT" or not re.search("[A-Za-z$€]", written)


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_mail_about_an_empty_wallet_says_empty_and_not_low(language: str) -> None:
    low, empty = (write("low_wallet_balance", language, balance=Decimal(amount)) for amount in ("12.50", "0.00"))
    assert low.subject.partition(":")[0] != empty.subject.partition(":")[0]
    assert {"en": "Your wallet is empty", "ar": "محفظتك فارغة"}[language] in empty.html


@pytest.mark.parametrize("language", ["en", "ar"])
def test_a_mail_about_refused_photos_names_each_photo_and_its_reason(language: str) -> None:
    letter = write("photos_refused", language)
    reasons = {"en": ("damaged", "20 MB and 64"), "ar": ("تالفة", "20 ميغابايت")}[language]
    for said in (letter.text, html.fromstring(letter.html).text_content()):
        assert re.search(r"4 (of|من) 10", said)
        assert all(reason in said for reason in reasons)


def test_every_code_of_a_refused_photo_has_its_words_in_both_languages() -> None:
    codes = set(
        re.findall(r"\b(?:BadPicture|BadUpload)\(\"([a-z0-9_]+)\"", "".join(path.read_text() for path in MODULES))
    )
    assert len(codes) >= 7
    for code in codes:
        for language in ("en", "ar"):
            assert write("photos_refused", language, refused=[{"position": 1, "code": code}]).text


@pytest.mark.parametrize(
    ("views", "said"),
    [
        (0, "لا مشاهدات"),
        (1, "مشاهدة واحدة"),
        (2, "مشاهدتان"),
        (3, "3 مشاهدات"),
        (10, "10 مشاهدات"),
        (11, "11 مشاهدة"),
        (100, "100 مشاهدة"),
        (1103, "1,103 مشاهدات"),
    ],
)
def test_arabic_counts_in_its_six_forms(views: int, said: str) -> None:
    letter = write("sponsorship_expired", "ar", brought_views=views)
    assert f": {said}، و" in letter.text
    assert f"<bdi>{said}</bdi>" in letter.html


@pytest.mark.parametrize(
    ("views", "said"),
    [(0, "it was seen by nobody and"), (1, "it was seen once and"), (2, "it was seen 2 times and")],
)
def test_english_counts_in_its_two_forms_and_says_not_yet_for_none(views: int, said: str) -> None:
    assert said in write("sponsorship_expired", "en", brought_views=views).text


@every_letter_with_a_name
def test_each_notice_is_also_a_line_of_a_digest(kind: str, language: str) -> None:
    hostile = {"title": HOSTILE, "provider": HOSTILE}
    label, line = letters.line(kind, reader(language), FACTS[kind] | hostile)
    assert label
    assert "alert" in line
    assert not set("\r\n\x00\x1b\u202e\u2066") & set(line)
    page = html.fromstring(
        letters.write("digest", reader(language), FACTS["digest"] | {"lines": [(label, line)]}, link=LINK).html
    )
    assert not list(page.iter("script"))


@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_chart_reads_without_its_picture_and_runs_as_the_language_does(language: str) -> None:
    letter = write("sponsorship_expired", language, views_by_day=[3, 12, 5])
    [image] = html.fromstring(letter.html).iter("img")
    assert re.search("3[,،] 12[,،] 5", image.get("alt") or "")
    assert re.search("3[,،] 12[,،] 5", letter.text)
    pictures = [bars([3, 12, 5], mirrored=mirrored) for mirrored in (False, True)]
    assert letter.pictures == {"views": pictures[language == "ar"]}
    assert pictures[0] != pictures[1] == bars([5, 12, 3], mirrored=False)
    quiet = write("sponsorship_expired", language, views_by_day=[0, 0, 0])
    assert (quiet.pictures, "<img" in quiet.html) == ({}, False)


def test_a_template_of_ones_own_goes_before_ours_and_can_extend_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "layout.en.html").write_text(
        '{% extends "forecourt/layout.en.html" %}{% block footer %}Souq Cars, Damascus{% endblock %}'
    )
    (tmp_path / "sponsorship_ending.en.subject.txt").write_text("Ending: {{ title }}")
    monkeypatch.setenv("FORECOURT_MAIL_TEMPLATES", str(tmp_path))
    settings.cache_clear()
    letter = write("sponsorship_ending", "en")
    assert letter.subject.startswith("Ending: Kia Rio")
    assert "Souq Cars, Damascus" in letter.html
    assert "Renew the sponsorship" in letter.html
    assert "Damascus" not in write("sponsorship_ending", "ar").subject
