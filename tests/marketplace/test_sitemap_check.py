"""Promises of the sitemap's check: it agrees with the protocol's schema, and bears whatever it is
given.
"""

import gzip
from pathlib import Path

import pytest
from lxml import etree
from showroom import listing, provider
from sqlalchemy.orm import Session

from forecourt.marketplace import sitemap, urlset
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.marketplace.sitemap_check import Checked, beside, check
from forecourt.settings import settings

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
IMAGE = ' xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
LOC = "<loc>https://cars.example/a</loc>"
SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "protocol" / "sitemap.xsd"))


def checked(path: Path) -> list[Checked]:
    return list(check(str(path), lambda name: Path(name).open("rb"), beside(path.parent)))


def findings(tmp_path: Path, content: bytes) -> str:
    path = tmp_path / "sitemap.xml"
    path.write_bytes(content)
    return "\n".join(checked(path)[0].findings)


def document(entries: str, more: str = "") -> bytes:
    return f"{HEAD}{more}>{entries}</urlset>".encode()


def test_what_we_publish_is_valid(session: Session) -> None:
    listing(session, slug="كيا & ريو 'x'")
    provider(session, "1", is_verified=True)
    session.commit()
    generate_sitemap()
    [found] = checked(settings().public / "sitemap.xml")
    assert (found.findings, found.urls) == ([], 5)


def test_each_file_of_an_index_is_checked(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urlset, "MAX_URLS", 20)
    for name, figure in {"MAX_URLS": 20, "CUT": 4, "PAGE": 7}.items():
        monkeypatch.setattr(sitemap, name, figure)
    for _ in range(30):
        listing(session)
    session.commit()
    generate_sitemap()
    index, *files = checked(settings().public / "sitemap.xml")
    assert len(files) == index.urls > 2
    assert [found.findings for found in (index, *files)] == [[]] * (1 + len(files))
    (settings().public / "sitemap-listings-0001.xml.gz").unlink()
    broken = [found for found in checked(settings().public / "sitemap.xml") if found.findings]
    assert [Path(found.name).name for found in broken] == ["sitemap-listings-0001.xml.gz"]
    assert "cannot be read" in broken[0].findings[0]


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("", "an empty <urlset>"),
        ("<url></url>", "<url> without <loc>"),
        (f"<url>{LOC}{LOC}</url>", "a second <loc>"),
        (f"<url>{LOC}<priority>0.5</priority><lastmod>2026-11-23</lastmod></url>", "<lastmod> is out of order"),
        (f"<url>{LOC}<title>x</title></url>", "<title> in <url>"),
        (f"<page>{LOC}</page>", "<page> in <urlset>"),
        (f"<url>{LOC}<lastmod>2026-11-23T10:00+00:00</lastmod></url>", "lastmod '2026-11-23T10:00+00:00' is no date"),
        (f"<url>{LOC}<lastmod>2026-13-01</lastmod></url>", "lastmod '2026-13-01' is no date"),
        (f"<url>{LOC}<changefreq>often</changefreq></url>", "changefreq 'often' is not one of"),
        (f"<url>{LOC}<priority>1.5</priority></url>", "priority '1.5' is no number"),
        (f"<url><loc>https://cars.example/{'a' * 2048}</loc></url>", "characters; 12 to 2048 are allowed"),
    ],
)
def test_what_the_schema_refuses_is_refused_with_its_line(tmp_path: Path, entries: str, words: str) -> None:
    data = document(entries)
    assert not SCHEMA.validate(etree.fromstring(data))
    assert words in findings(tmp_path, data)


@pytest.mark.parametrize(
    "entries",
    [
        f"<url>{LOC}</url>",
        f"<url>{LOC}<lastmod>2026-11-23</lastmod><changefreq>daily</changefreq><priority>0.5</priority></url>",
        f"<url>{LOC}<lastmod>2026-11-23T10:00:00.5+03:00</lastmod></url>",
        f"<url>{LOC}<priority>1</priority></url>",
    ],
)
def test_what_the_schema_accepts_is_accepted(tmp_path: Path, entries: str) -> None:
    data = document(entries)
    assert SCHEMA.validate(etree.fromstring(data))
    assert findings(tmp_path, data) == ""


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ("<url><loc>/car-listings/7</loc></url>", "is no absolute address"),
        ("<url><loc>https://cars.example/كيا</loc></url>", "must percent-encode"),
        (f"<url>{LOC}</url><url><loc>https://other.example/a</loc></url>", "is on another host"),
        (f"<url><image:image/>{LOC}</url>", "<loc> is out of order"),
    ],
)
def test_what_only_the_protocol_s_text_refuses_is_refused_too(tmp_path: Path, entries: str, words: str) -> None:
    assert words in findings(tmp_path, document(entries, IMAGE))


def test_extensions_stand_behind_the_protocol_s_own_elements(tmp_path: Path) -> None:
    image = "<image:image><image:loc>https://cdn.example/a.webp</image:loc></image:image>"
    assert findings(tmp_path, document(f"<url>{LOC}<lastmod>2026-11-23</lastmod>{image}</url>", IMAGE)) == ""
    wrong = findings(tmp_path, document(f"<url>{LOC}{image}<lastmod>2026-11-23</lastmod></url>", IMAGE))
    assert "<lastmod> is out of order" in wrong


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is no XML"),
        (b"no xml", "it is no XML"),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><urlset/>', "a document type"),
        (b"<html/>", "the root is <html> in no namespace"),
        (document(f"<url>{LOC}</url>")[:-5], "it is no XML"),
        (gzip.compress(document(f"<url>{LOC}</url>"), mtime=0)[:-9], "cannot be read"),
        (gzip.compress(b"x", mtime=0)[:12] + b"damaged", "cannot be read"),
        (gzip.compress(document("<url>" + " " * 53_000_000), mtime=0), "more than 52428800 bytes"),
    ],
)
def test_whatever_it_is_given_it_answers_with_words(tmp_path: Path, content: bytes, words: str) -> None:
    assert words in findings(tmp_path, content)


def test_a_packed_sitemap_is_unpacked(tmp_path: Path) -> None:
    assert findings(tmp_path, gzip.compress(document(f"<url>{LOC}</url>"))) == ""


def test_more_than_fifty_thousand_entries_are_too_many_and_a_mistake_in_each_is_not_told_fifty_thousand_times(
    tmp_path: Path,
) -> None:
    found = findings(tmp_path, document(f"<url>{LOC}<priority>9</priority></url>" * 50_001))
    assert found.count("\n") == 20
    assert found.endswith("and more")
    assert "more than 50000 entries" in findings(tmp_path, document(f"<url>{LOC}</url>" * 50_001))


def versions(page: str, **named: str) -> str:
    """An entry with its versions by language."""
    links = "".join(
        f'<xhtml:link rel="alternate" hreflang="{language.replace("_", "-")}" href="{address}"/>'
        for language, address in named.items()
    )
    return f"<url><loc>{page}</loc>{links}</url>"


EN, AR = "https://cars.example/en", "https://cars.example/ar"
BOTH = {"en": EN, "ar": AR, "x_default": EN}
PICTURE = "<image:image><image:loc>https://cdn.example/a.webp</image:loc></image:image>"


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        (versions(EN, **BOTH) + versions(AR, **BOTH), ""),
        (versions(EN, **BOTH), ""),  # the other may be in another file
        (versions(EN, ar=AR), "names versions in other languages, and itself not among them"),
        (versions(AR) + versions(EN, **BOTH), "do not name the same versions of 'https://cars.example/ar'"),
        (versions(EN, **BOTH) + versions(AR), "do not name the same versions of 'https://cars.example/ar'"),
        (
            versions(EN, **BOTH) + versions(AR, ar=AR, en=EN, de=f"{EN}/de"),
            "do not name the same versions of 'https://cars.example/ar'",
        ),
        (versions(EN, en=EN, arabic=AR), "hreflang 'arabic' is no language"),
        (versions(EN, en=EN, ar="/ar"), "the version in 'ar' is at no absolute address: '/ar'"),
        (f"<url>{LOC}{PICTURE * 1_000}</url>", ""),
        (f"<url>{LOC}{PICTURE * 1_001}</url>", "more than 1,000 images of one page"),
        (
            f"<url>{LOC}{PICTURE.replace('https://cdn.example', '')}</url>",
            "'/a.webp' is no absolute address of an image",
        ),
    ],
)
def test_languages_and_images_keep_the_rules_that_google_published(tmp_path: Path, entries: str, words: str) -> None:
    found = findings(tmp_path, document(entries, f'{IMAGE} xmlns:xhtml="http://www.w3.org/1999/xhtml"'))
    assert words in found
    assert bool(found) is bool(words)
