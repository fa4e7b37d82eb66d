"""Every word of the pages in the reader's language: none is missing, none is of the other one, and
numbers follow its grammar.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import httpx
import lxml.html
import psycopg
import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po

import forecourt
from forecourt.durations import duration, relative
from forecourt.language import FOLDER, gettext, some, speaking
from forecourt.marketplace.timetable import timetable
from forecourt.schedule.sentence import sentence
from forecourt.schedule.sentence_translation import translated
from forecourt.web.dates import appointment
from forecourt.web.tongue import preferred
from forecourt.web.words import did, expected, percent, size
from serving import OURS, every_page

SOURCE = Path(forecourt.__file__).parent
KEYWORDS = {"_": None, "gettext": None, "marked": None, "some": (2, 3)}
ARABIC = {"accept-language": "ar"}
PAGES = [
    *every_page(task="cleanup_soft_deleted"), "/calls?state=failed", "/calls?state=scheduled", "/calls?state=done",
    "/calls?q=listing_id%3D999999", "/performance?job=process_car_images", "/calls/7777777",
]  # fmt: skip


def said_in_the_code() -> set[str | tuple[str, str]]:
    found: set[str | tuple[str, str]] = set()
    for path in [*SOURCE.rglob("*.py"), *(SOURCE / "web" / "templates").rglob("*.html")]:
        method = "jinja2" if path.suffix == ".html" else "python"
        with path.open("rb") as file:
            for _, message, _, _ in extract(method, file, KEYWORDS, options={"encoding": "utf-8"}):
                found.add(message if isinstance(message, str) else (message[0], message[1]))
    return found | {task.description for task in timetable}


def test_no_word_is_missing_and_none_is_left_over() -> None:
    with (FOLDER / "ar.po").open("rb") as file:
        catalogue = read_po(file, locale="ar")
    translated = {
        message.id if isinstance(message.id, str) else tuple(message.id): message for message in catalogue if message.id
    }
    assert set(translated) == said_in_the_code()
    for message in translated.values():
        forms = [message.string] if isinstance(message.string, str) else list(message.string)
        assert len(forms) == (1 if isinstance(message.id, str) else 6), message.id
        assert all(forms), message.id
        names = {
            tuple(sorted(re.findall(r"%\((\w+)\)s|<\w+", form)))
            for form in (*forms, *([message.id] if len(forms) == 1 else []))
        }
        assert len(names) == 1, f"what is filled in differs: {message.id}"


def words_of(page: httpx.Response) -> str:
    """All that a page says, in its text and for those who hear it; without names that are typed,
    and what others wrote.
    """
    tree = lxml.html.fromstring(page.text)
    for apart in tree.xpath(
        "//code | //pre | //kbd | //bdi | //script | //option | //*[contains(@class, 'tongue')]"
        " | //*[@class='logo'] | //*[@class='name']"
    ):
        apart.drop_tree()
    heard = tree.xpath("//@aria-label | //@title | //@placeholder | //@data-words | //@data-other | //@data-copied")
    return " ".join([*tree.xpath("//body//text()"), *(text for text in heard if not re.fullmatch(r"[\dT:.-]+Z", text))])


WRITTEN_BY_OTHERS = re.compile(
    r"photo \d of \d(: the JPEG file ends early)?|killed after its timeout of 30 s|\[Errno 111\] Connection refused|"
    r"OSError: \[Errno 28\] No space left on device|\w*Error\b|BadPicture|TimedOut|night-\d|listing_id[^=:]?(=|: )\d+|"
    r"forecourt \w+ [^؀-ۿ]*|KWD, provider\.7|"
    r"FORECOURT_\w+|PostgreSQL|Forecourt|done_rest|UTC|WebP|whole|good|--processes|error:\w+|pg_stat_activity|/[\w/.-]+"
)
"""What stands on the pages of the scene beside our own words: names, messages of programs,
commands.
"""


def test_no_page_shows_a_word_of_the_other_language(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    names = {
        "high",
        "medium",
        "low",
        "default",
        "analytics",
        "placements",
        "process",
        "car",
        "images",
        "deliver",
        "mail",
    }
    names |= {"yes", "no", "none"}  # what a setting is given, as it is typed
    names |= {"increment", "views", "count", "local", *(word for task in timetable for word in task.name.split("_"))}
    for path in [*PAGES, f"/calls/{scene['failed']}", f"/calls/{scene['running']}"]:
        arabic = pages.get(path, headers=ARABIC)
        assert '<html lang="ar" dir="rtl"' in arabic.text, path
        filled_in = re.sub("\u2068[^\u2068\u2069]*[A-Za-z][^\u2068\u2069]*\u2069", " ", words_of(arabic))
        ours = WRITTEN_BY_OTHERS.sub(" ", filled_in)
        foreign = {word for word in re.findall(r"[A-Za-z]{2,}", ours) if word not in names}
        assert foreign == set(), (path, foreign)
        english = pages.get(path, headers={"accept-language": "en"})
        assert '<html lang="en" dir="ltr"' in english.text, path
        assert re.findall(r"[\u0600-\u06ff]+", words_of(english)) == [], path


def test_empty_pages_and_refusals_are_in_the_readers_language_too(pages: httpx.Client) -> None:
    assert "لا عامل يعمل" in pages.get("/", headers=ARABIC).text
    assert "لم يُستعمل" not in pages.get("/calls", headers=ARABIC).text
    assert "لا شيء ينتظر" in pages.get("/calls", headers=ARABIC).text
    refused = pages.post("/calls/act", data={"do": "retry"}, headers=OURS | ARABIC)
    assert refused.status_code == 400
    assert "لم يُحدَّد أي استدعاء" in refused.text
    done = pages.post("/queues/pause", data={"queue": "high", "back": "/queues"}, headers=OURS | ARABIC)
    assert "ما يعمل يستمر" in done.text


def test_a_language_that_was_chosen_holds_also_against_the_browser_and_before_signing_in(pages: httpx.Client) -> None:
    assert '<html lang="en"' in pages.get("/").text
    answer = pages.post("/language", data={"language": "ar", "back": "/queues"}, headers=OURS)
    assert (answer.url.path, '<html lang="ar"' in answer.text) == ("/queues", True)
    assert '<html lang="ar"' in pages.get("/login", headers={"accept-language": "en"}).text
    assert '<html lang="en"' in pages.post("/settings", data={"language": "en", "back": "/settings"}, headers=OURS).text
    assert pages.post("/language", data={"language": "tlh"}, headers=OURS).status_code == 400


def test_programs_are_answered_in_english(pages: httpx.Client) -> None:
    answer = pages.get("/calls/7777777", headers=ARABIC | {"accept": "application/json"})
    assert answer.json()["message"] == "No call has the id 7777777: there are not that many so far"
    assert "succeeded" in pages.get("/health", headers=ARABIC).text


def test_what_is_seen_in_one_language_is_not_taken_for_the_other(pages: httpx.Client, scene: dict[str, int]) -> None:
    tag = pages.get("/queues", headers={"hx-request": "true"}).headers["etag"]
    assert pages.get("/queues", headers=ARABIC | {"hx-request": "true", "if-none-match": tag}).status_code == 200


@pytest.mark.parametrize(
    ("accept", "language"),
    [("ar", "ar"), ("ar-SY,en;q=0.5", "ar"), ("en;q=0.5,ar;q=0.9", "ar"), ("fr,ar;q=0.2", "ar"), ("fr", "en"), ("", "en"),
     ("en-GB,ar;q=0.9", "en"), ("ar;q=0", "en"), ("ar;q=x", "en")],
)  # fmt: skip
def test_the_browsers_wishes_are_weighed(accept: str, language: str) -> None:
    assert preferred(accept) == language


def test_counts_times_and_results_follow_the_grammar() -> None:
    now = datetime(2030, 1, 2, 3, 4, tzinfo=UTC)
    with speaking("ar"):
        counted = [some(count, "call", "calls") for count in (0, 1, 2, 3, 11, 100, 102)]
        assert counted == [
            "لا استدعاءات", "استدعاء واحد", "استدعاءان", "3 استدعاءات", "11 استدعاءً", "100 استدعاء", "102 استدعاء",
        ]  # fmt: skip
        assert some(100_001, "call", "calls", 100_000) == "100,000+ استدعاء"
        assert duration(3 * 3600 + 20 * 60) == "3 س و20 د"
        assert relative(now - timedelta(minutes=4), now) == "قبل \u20684 د\u2069"
        assert (size(402_000), did({"expired": 225, "bytes": 402_000})) == ("402 ك.ب", "انتهت مدتها: 225، 402 ك.ب")
        assert expected([{"expired": 225}, {"expired": 231}]) == "نحو \u2068انتهت مدتها: 228\u2069"
        evening = datetime(2030, 1, 2, 18, 0, tzinfo=timezone(timedelta(hours=-3), "-03"))
        assert (appointment(evening), percent(0.01)) == (
            "الأربعاء 02 يناير \u206818:00 -03\u2069",
            "\u2068<0.1 %\u2069",
        )
        assert (
            gettext("%(queue)s is %(time)s behind", queue="high", time="4 د")
            == "الطابور \u2068high\u2069 متأخر \u20684 د\u2069"
        )
    assert (duration(240), size(402_000), did({"expired": 225})) == ("4 min", "402 kB", "225 expired")


@pytest.mark.parametrize(
    ("cron", "told"),
    [
        ("* * * * *", "كل دقيقة"), ("*/2 * * * *", "كل دقيقتين"), ("*/10 * * * *", "كل 10 دقائق"),
        ("1 0 * * *", "يوميًا الساعة 00:01"),
        ("0 9 * * 1", "أيام الإثنين الساعة 09:00"), ("0 3 1 * *", "اليوم 1 من الشهر الساعة 03:00"),
        ("17 * * * *", "كل ساعة عند الدقيقة 17"), ("15,30,45 * * * *", "كل ساعة عند الدقيقة 15، الدقيقة 30 والدقيقة 45"),
        ("* * * * 1-5", "كل دقيقة في أيام العمل"), ("*/10 */2 * * *", "*/10 */2 * * *"),
        ("0 9 */2 * 1", "أيام الإثنين في الأيام الفردية من الشهر الساعة 09:00"),
    ],
)  # fmt: skip
def test_when_a_task_is_due_is_said_in_arabic(cron: str, told: str) -> None:
    with speaking("ar"):
        assert translated(sentence(cron), cron) == told
    assert translated(sentence(cron), cron) == sentence(cron)


def test_the_night_is_drawn_from_right_to_left(pages: httpx.Client, scene: dict[str, int]) -> None:
    def hours(language: str) -> list[float]:
        page = pages.get("/", headers={"accept-language": language}).text
        return [float(x) for x in re.findall(r'<text x="([\d.]+)" y="\d+" text-anchor="middle">\d\d:00', page)]

    assert hours("en") == sorted(hours("en"))
    assert hours("ar") == sorted(hours("ar"), reverse=True)
