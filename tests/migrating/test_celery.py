"""What waits in Celery's lists, in a real Redis; the messages are those that Celery 5.7 wrote
there.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from fleet import Looking, wait_until
from forecourt.cli import forecourt
from forecourt.migrating.redis import Redis, RedisError, connected
from newcomers import free_port

RECORDED = Path(__file__).with_name("celery-5.7.jsonl")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[str, Redis]]:
    """A server of the test's own, with the recorded messages, and its address."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed: apt install redis-server")
    port = free_port()
    server = subprocess.Popen(
        ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--requirepass", "p@ss"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    url = f"redis://:p%40ss@127.0.0.1:{port}/3"

    def answers() -> bool:
        try:
            with connected(url):
                return True
        except RedisError:
            return False

    try:
        wait_until(answers)
        with connected(url) as opened:
            for line in RECORDED.read_text().splitlines():
                key, raw = json.loads(line)
                opened.ask("LPUSH", key, raw)
            yield url, opened
    finally:
        server.terminate()
        server.wait(10)


def test_what_waits_is_shown_then_taken_and_the_rest_stays(
    redis: tuple[str, Redis], looking: Looking, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, asked = redis
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    shown = CliRunner().invoke(forecourt, ["migrate-from", "celery", "--redis", url])
    assert (shown.exit_code, looking.live()) == (3, 0)
    for words in (
        "it expired at 2025",
        "part of a chain",
        "application/x-python-serialize, and only JSON is read",
        "4 calls can be taken: repeat with --take",
    ):
        assert words in shown.output, words

    done = CliRunner().invoke(forecourt, ["migrate-from", "celery", "--redis", url, "--take"])
    assert (done.exit_code, "4 calls taken." in done.output) == (3, True), done.output
    calls = [args["call"] for (args,) in looking.rows("SELECT args FROM forecourt.ready ORDER BY id")]
    assert calls == ["first", "urgent", "not urgent"]
    assert looking.rows("SELECT args, extract(year FROM run_at)::int FROM forecourt.scheduled") == [
        ({"call": "later"}, 2999)
    ]
    assert (asked.ask("LLEN", "celery"), asked.ask("EXISTS", "celery\x06\x169")) == (3, 0)
    CliRunner().invoke(forecourt, ["migrate-from", "celery", "--redis", url, "--take"])
    assert looking.live() == 4, "taken once"


def test_what_is_no_message_and_no_redis_is_said(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    nobody = CliRunner().invoke(forecourt, ["migrate-from", "celery", "--redis", f"redis://127.0.0.1:{free_port()}/0"])
    assert "there is no Redis at 127.0.0.1:" in str(nobody.exception)
    wrong = CliRunner().invoke(forecourt, ["migrate-from", "celery", "--redis", "amqp://guest@localhost"])
    assert "expected redis://user:password@host:port/number" in str(wrong.exception)
