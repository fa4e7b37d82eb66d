"""Why the calls of a queue wait: its page and the terminal name what holds them up."""

import html
import re

import httpx
import psycopg
from click.testing import CliRunner

from forecourt.cli import forecourt


def explained(queue: str) -> tuple[str, dict[str, str], str]:
    """The terminal's verdict, what it found by what it looked at, with its sign, and its advice."""
    done = CliRunner().invoke(forecourt, ["queue", "explain", queue])
    assert done.exit_code == 0, done.output
    findings = {about: f"{sign}{words}" for sign, about, words in re.findall(r"^  (.) (\w+) +(.+)$", done.output, re.M)}
    verdict, *rest = done.output.strip().split("\n")
    return verdict, findings, rest[-1] if len(rest) > len(findings) else ""


def test_what_holds_a_queue_up_is_named_first_on_its_page_and_in_the_terminal(
    pages: httpx.Client, tx: psycopg.Connection, scene: dict[str, int]
) -> None:
    verdict, findings, advice = explained("high")
    assert verdict.startswith("high: 1,204 calls wait: 12 of 12 slots busy, process_car_images of high 12 times, call")
    assert findings["order"] == "✓no calls come before its own"
    assert "done, 0 tried again" in findings["pace"]
    assert "what waits takes about" in findings["pace"]
    assert advice == "More slots (--processes) or workers; or pause what is less urgent."
    assert "forecourt queue explain high" in pages.get("/doctor").text, "which a message at night names as well"
    page = html.unescape(pages.get("/queues/high").text)
    assert "1,204 calls wait: 12 of 12 slots busy" in page
    assert "forecourt queue explain high" in page

    verdict, findings, advice = explained("medium")
    assert verdict == "medium: 38 calls wait: first come those of high (1,204 calls)"
    assert advice == "A worker for it alone: forecourt queue work --queue medium"

    tx.execute("UPDATE forecourt.minutes SET retried = 999 WHERE queue = 'low'")
    tx.execute("INSERT INTO forecourt.ready (job, queue) VALUES ('j', 'low'), ('j', 'lwo')")
    tx.execute("UPDATE forecourt.workers SET busy = 0")
    assert explained("high")[::2] == (
        "high: 1,204 calls wait though slots are free",
        "Look at the workers' logs, then: forecourt queue restart",
    )
    verdict, findings, advice = explained("low")
    assert re.match(r"low: 1 call waits: [\d,]+ done, [\d,]+ tried again", verdict), "its calls are tried in vain"
    assert findings["order"][0] == " ", "slots are free, so what comes before it holds nothing up"
    assert explained("lwo")[::2] == (
        "lwo: 1 call waits: nobody serves it",
        "forecourt queue work --queue lwo",
    )

    tx.execute("UPDATE forecourt.scheduled SET limit_key = 'shop:7'")
    tx.execute("DELETE FROM forecourt.ready WHERE queue = 'low'")
    assert explained("low")[0] == "low: 41 calls wait for a place: shop:7"
    CliRunner().invoke(forecourt, ["queue", "pause", "high", "--why", "stocktaking"])
    verdict, _, advice = explained("high")
    assert verdict.endswith(": stocktaking")
    assert advice == "forecourt queue resume high"
    assert explained("default")[0] == "default: Nothing waits"
