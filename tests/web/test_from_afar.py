"""`forecourt --url`: what lists and acts works from afar and says the same; what cannot says so."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import httpx
import psycopg
import pytest
from click.testing import CliRunner

from forecourt.app import load
from forecourt.cli import forecourt
from forecourt.cli.asking import FROM_AFAR
from forecourt.cli.errors import explained
from forecourt.operations import tokens
from forecourt.schedule.definition import definitions
from forecourt.settings import settings
from forecourt.store import timetables
from forecourt.web import access

Run = Callable[..., tuple[int, str]]

DISPATCHED = "send_sponsorship_expired_notification"

MOMENT = re.compile(r"(in )?(-?\d[\d.,]*(e-?\d+,?)?( (ms|s|min|h|d|B|kB|MB|GB)\b)? ?)+|near|far")


def run(*words: str) -> tuple[int, str]:
    """The exit code of the console script, and all that it says."""
    done = CliRunner().invoke(forecourt, words)
    if done.exception is None or isinstance(done.exception, SystemExit):
        return done.exit_code, done.output
    assert isinstance(done.exception, Exception)
    code, said = explained(done.exception)
    assert code is not None, done.exception
    return code, f"{done.output}Error: {said}"


@pytest.fixture
def afar(pages: httpx.Client, tx: psycopg.Connection, tmp_path: Path) -> Iterator[Run]:
    """Types a command for the server, with a token that may do everything."""
    access._remembered.clear()
    file = tmp_path / "token"
    file.write_text(tokens.add(tx, "robot", ["admin"], who="the test")[0] + "\n")
    yield lambda *words: run("--url", str(pages.base_url), "--token-file", str(file), *words)
    access._remembered.clear()


def same(near: tuple[int, str], far: tuple[int, str]) -> bool:
    """Whether they say the same, but for what the moment makes of it: durations, with their units,
    figures, and so widths.
    """
    shapes = [(code, re.sub(r"\s+", " ", MOMENT.sub("# ", said))) for code, said in (near, far)]
    return shapes[0] == shapes[1]


def test_figures_from_afar_are_of_the_kind_that_they_are_near(afar: Run, scene: dict[str, int]) -> None:
    near, far = (json.loads(act("doctor", "--json")[1]) for act in (run, afar))
    kinds = [{one["name"]: type(one["value"]) for one in told} for told in (near, far)]
    assert kinds[0] == kinds[1]
    assert {kinds[0][name] for name in ("workers", "calls over their time", "mails")} == {int}


def test_what_is_listed_from_afar_is_what_is_listed_near(afar: Run, scene: dict[str, int]) -> None:
    ids = [str(id) for id in scene.values()]
    for words in (
        "report", "report --json", "doctor", "doctor --json",
        "queue size", "queue size high low --json", "queue monitor --max-age 60", *(f"queue show {id}" for id in ids),
        *(f"queue show {id} --json" for id in ids), "queue show 999999999", "queue failed", "queue failed --limit 3 --json",
        "schedule list", "schedule list --json --next 3", "schedule history", "schedule history generate_sitemap --json",
        "schedule history nothing", "report --date 2001-01-01", "top --once", "queue workflow list", "queue workflow show 7",
        "queue worker list",
        "schedule explain generate_sitemap --count 2", "schedule explain heartbeat --at 2026-01-05T04:15:30Z --json",
        "schedule explain nothing", "alerts list", "alerts list --json",
    ):  # fmt: skip
        # A check that measures how fast the database answers may warn at one moment and not at the
        # next.
        for _ in range(5):
            near, far = run(*words.split()), afar(*words.split())
            if same(near, far):
                break
        assert same(near, far), f"{words}\n{near}\n{far}"


SEQUENCES = [
    "queue pause {where} --why tyres; queue pause {where} --for 5; queue resume {where}; queue resume {where}",
    "queue pause q --until 2001-01-01T00:00",
    "queue clear {where} --yes; queue clear {where} --yes --json",
    "queue retry --job {where} --json; queue retry --job {where}; queue retry 999999999; queue retry; queue retry all 1",
    "queue flush --yes --job {where}; queue prune --hours 1; queue forget 999999999",
    "queue run-now 999999999; queue run-now --queue {where}; queue cancel --state ready --queue none --yes; queue cancel --queue x",
    "queue worker quiet 999999999; queue worker resume 9; queue worker stop 9",
    "queue cancel 999999999; queue restart; queue workflow cancel 7; queue workflow retry 7",
    "queue dispatch send_sponsorship_expired_notification {args} --delay 999999 --queue {where} --priority 3",
    "queue dispatch send_sponsorship_expire {args}; queue dispatch send_sponsorship_expired_notification",
    "schedule add generate_sitemap --cron 15#6#*#*#* --name 2nd --queue x; schedule add generate_sitemap --cron @daily --name 2nd;"
    " schedule edit 2nd --cron 15#7#*#*#* --queue; schedule explain 2nd --at 2026-01-05T04:15:30Z; schedule edit 2nd;"
    " schedule remove 2nd; schedule remove 2nd; schedule edit heartbeat --cron @daily; schedule add no_such_job --cron @daily",
    "schedule pause --for 9; schedule resume; schedule resume",
    "schedule pause generate_sitemap; schedule resume generate_sitemap",
    "schedule pause nothing; schedule pause --group nothing; schedule pause x --group y; schedule trigger nothing",
]
"""Commands, near and then from afar; each line leaves things as they were."""


def typed(line: str, where: str) -> list[str]:
    """The words of a command. `#` stands for a blank within one, a --queue without a name for an
    empty one.
    """
    words = [word.replace("#", " ") for word in line.format(where=where, args="{args}").split()]
    words = ['{"listing_id": 7}' if word == "{args}" else word for word in words]
    return [*words, ""] if words[-1] == "--queue" else words


def test_what_is_done_from_afar_is_what_is_done_near(afar: Run, tx: psycopg.Connection) -> None:
    for where in ("near", "far"):
        for _ in range(3):
            tx.execute(
                "INSERT INTO forecourt.failed (job, queue, error, message) VALUES (%s, %s, 'Oops', '')", (where, where)
            )
            tx.execute("INSERT INTO forecourt.ready (job, queue) VALUES ('j', %s)", (where,))
    for sequence in SEQUENCES:
        near, far = (
            [act(*typed(line, where)) for line in sequence.split(";")] for act, where in ((run, "near"), (afar, "far"))
        )
        for one, other in zip(near, far, strict=True):
            assert same(one, other), f"{sequence}\n{one}\n{other}"
    assert "no job uses a queue named 'hgih'" in afar("queue", "pause", "hgih")[1]
    assert "Call" in afar("schedule", "trigger", "generate_sitemap")[1]
    assert run("schedule", "trigger", "generate_sitemap")[0] == 75 == afar("schedule", "trigger", "generate_sitemap")[0]
    code, undo = afar(
        "schedule", "add", "generate_sitemap", "--cron", "@daily", "--name", "3rd", "--describe", "a third"
    )
    assert (code, "3rd added: Daily at 00:00" in undo) == (0, True)
    assert "--timezone UTC --describe 'a third'" in afar("schedule", "remove", "3rd")[1]
    said = [row[0] for row in tx.execute("SELECT who FROM forecourt.audit WHERE action = 'queue restart' ORDER BY id")]
    assert [who.endswith("(command line)") for who in said] == [True, False]
    assert said[1] == "robot (token)"
    entered = tx.execute(
        "SELECT who, target ->> 'job' FROM forecourt.audit WHERE action = 'queue dispatch' ORDER BY id"
    ).fetchall()
    assert [(who.endswith("(command line)"), job) for who, job in entered] == [(True, DISPATCHED), (False, DISPATCHED)]


def test_a_deploy_is_compared_with_what_the_server_s_clock_last_ran(afar: Run, tx: psycopg.Connection) -> None:
    assert ((found := afar("schedule", "diff"))[0], "no clock of" in found[1]) == (5, True)
    known = definitions(load().timetable)
    timetables.declare(tx, settings().app, {name: one for name, one in known.items() if name != "heartbeat"})
    code, said = afar("schedule", "diff")
    assert (code, said.startswith("+ heartbeat: "), said) == (0, True, run("schedule", "diff")[1])
    code, said = afar("schedule", "diff", "shop:app")
    assert (code, "give one" in said) == (2, True)


def test_many_calls_are_acted_on_in_portions(afar: Run, tx: psycopg.Connection) -> None:
    tx.execute(
        "INSERT INTO forecourt.failed (job, queue, error, message) SELECT 'j', 'q', 'Oops', '' FROM generate_series(1, 10100)"
    )
    ids = [str(row[0]) for row in tx.execute("SELECT id FROM forecourt.failed ORDER BY id LIMIT 1100")]
    assert afar("queue", "forget", *ids) == (0, "1100 calls forgotten.\n")
    assert afar("queue", "retry", "all") == (0, "9000 calls ready again.\n")


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name)


def test_each_command_works_from_afar_or_says_that_it_does_not() -> None:
    found = {" ".join(path) for path in leaves(forecourt)}
    assert set(FROM_AFAR) <= found
    for path in [*sorted(found - set(FROM_AFAR)), "web"]:
        code, said = run("--url", "http://127.0.0.1:1", *path.split())
        assert (code, "works only where the database is" in said) == (4, True), (path, said)


def test_a_server_that_does_not_answer_or_does_not_know_the_token_is_named(
    afar: Run, pages: httpx.Client, tx: psycopg.Connection, tmp_path: Path
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{closed.getsockname()[1]}"
        code, said = run("--url", nobody, "queue", "size")
        assert (code, f"cannot reach {nobody}" in said) == (69, True)
    wrong = tmp_path / "wrong"
    wrong.write_text("forecourt_none")
    code, said = run("--url", str(pages.base_url), "--token-file", str(wrong), "queue", "size")
    assert (code, "This token is unknown" in said, "--token-file FILE" in said) == (4, True, True)
    wrong.write_text(tokens.add(tx, "reader", ["read"], who="the test")[0])
    code, said = run("--url", str(pages.base_url), "--token-file", str(wrong), "queue", "restart")
    assert (code, "this needs operate" in said) == (4, True), said
    assert run("--url", "ops.example", "queue", "size")[0] == 2
    assert run("--token-file", str(wrong), "queue", "size")[0] == 2
    wrong.write_text("robot may operate\nforecourt_secret")
    code, said = run("--url", str(pages.base_url), "--token-file", str(wrong), "queue", "size")
    assert (code, "must have the token and nothing else" in said, "secret" in said) == (2, True, False)
    assert "with 404" in run("--url", str(pages.base_url.join("/static")), "queue", "size")[1]
