"""The first mistakes, answered with words: what was wrong, what was expected, what to do."""

import subprocess
import sys
from collections.abc import Callable
from itertools import chain
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg import sql
from sqlalchemy import make_url

import workshop
from fleet import Looking, Process, running, wait_until, work_until_empty
from forecourt.cli import forecourt, main
from forecourt.cli.console import WORDS_ELSEWHERE
from forecourt.cli.errors import explained
from forecourt.jobs.arguments import WrongArguments

ESCAPE = "\x1b]0;owned\x07"


@pytest.fixture
def run(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(forecourt, arguments)

    return invoke


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["quue"], "No such command 'quue'. Did you mean `forecourt queue`?"),
        (["queue:work"], "Did you mean `forecourt queue work`?"),
        (["migrate"], "Did you mean `forecourt db migrate`?"),
        (["help"], "Did you mean `forecourt --help`?"),
        (["queue", "shwo"], "Did you mean show"),
        (["queue", "status"], "Did you mean `forecourt queue size` or `forecourt queue worker list`?"),
        (["start"], "Did you mean `forecourt up` or `forecourt queue work` or `forecourt schedule work`?"),
        (["queue", "beat"], "Did you mean `forecourt schedule work`?"),
        (["deploy", "kube"], "Did you mean kubernetes?"),
        (["schedule", "xyz"], "There is add, diff"),
    ],
)
def test_a_misspelled_command_is_guessed_and_another_system_s_translated(typed: list[str], words: str) -> None:
    result = CliRunner().invoke(forecourt, typed, prog_name="forecourt")
    assert (result.exit_code, words in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize("words", sorted(set(chain.from_iterable(WORDS_ELSEWHERE.values()))))
def test_what_another_system_s_command_is_translated_to_is_there(words: str) -> None:
    assert CliRunner().invoke(forecourt, [*words.split(), "--help"]).exit_code == 0


def test_an_option_behind_the_command_that_stands_before_it_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["forecourt", "queue", "size", "--url", "https://ops.example"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "--url stands before the command: forecourt --url …" in capsys.readouterr().err


def test_help_says_what_it_has_to_say_to_the_end() -> None:
    for group in (
        [],
        ["queue"],
        ["schedule"],
        ["analytics"],
        ["db"],
        ["sitemap"],
        ["trash"],
        ["placements"],
        ["notices"],
        ["settings"],
    ):
        assert CliRunner().invoke(forecourt, [*group, "--help"]).stdout.count("...") == 1, "in the line of usage"


MANY = "9" * 30
BAD_NUMBERS = [
    (["queue", "show", "?"], [MANY, str(2**63), "0"]),
    (["queue", "cancel", "?"], [MANY, str(2**63), "0"]),
    (["queue", "retry", "?"], [MANY, str(2**63), "0"]),
    (["queue", "forget", "?"], [MANY, str(2**63), "0"]),
    (["queue", "dispatch", "nothing", "{}", "--delay", "?"], ["inf", "nan", "-1", "1e300"]),
    (["queue", "dispatch", "nothing", "{}", "--priority", "?"], [MANY, "-40000"]),
    (["queue", "pause", "low", "--for", "?"], ["1e12", "inf", "nan", "0"]),
    (["schedule", "pause", "--for", "?"], ["1e12", "inf", "nan", "0"]),
    (["queue", "flush", "--hours", "?"], ["inf", "nan", "1e12", "-1"]),
    (["queue", "prune", "--hours", "?"], ["inf", "nan", "1e12", "-1"]),
    (["queue", "monitor", "--max", "?"], ["-1", MANY]),
    (["queue", "monitor", "--max-age", "?"], ["inf", "nan", "1e300", MANY]),
    (["top", "--every", "?"], ["inf", "nan", "0"]),
    (["queue", "failed", "--limit", "?"], ["0", MANY]),
    (["schedule", "history", "--limit", "?"], ["0", MANY]),
    (["schedule", "list", "--next", "?"], ["0", MANY]),
    (["analytics", "archive", "--days", "?"], ["0", MANY]),
    (["queue", "work", "--sleep", "?"], ["inf", "nan", "-1", "1e300"]),
    (["queue", "work", "--rest", "?"], ["inf", "nan", "-1", "1e300"]),
    (["queue", "work", "--timeout", "?"], ["inf", "nan", "-1", "1e300"]),
    (["queue", "work", "--max-time", "?"], ["inf", "nan", "-1", "1e300"]),
    (["queue", "work", "--shutdown-timeout", "?"], ["inf", "nan", "-1", "1e300"]),
    (["queue", "work", "--backoff", "?"], ["inf", "nan", "-1", "1e300"]),
    (["queue", "work", "--processes", "?"], ["-1", MANY]),
    (["queue", "work", "--tries", "?"], ["-1", MANY]),
    (["queue", "work", "--max-jobs", "?"], ["-1", MANY]),
    (["queue", "work", "--memory", "?"], ["-1", MANY]),
]


@pytest.mark.parametrize(("typed", "values"), BAD_NUMBERS, ids=lambda given: " ".join(given[:4]))
def test_a_number_out_of_range_is_a_sentence_that_names_it_and_exit_2(
    run: Callable[..., Result], typed: list[str], values: list[str]
) -> None:
    for value in values:
        result = run(*[value if word == "?" else word for word in typed])
        code, words = result.exit_code, result.output
        if not isinstance(result.exception, SystemExit):  # what the console script makes of it
            assert isinstance(result.exception, Exception), (value, result.output)
            code, words = explained(result.exception)  # type: ignore[assignment]
        assert code == 2, (value, words)
        option = typed[typed.index("?") - 1]
        assert not option.startswith("--") or option.strip("-") in words, (value, words)


def test_positional_arguments_are_answered_with_their_names() -> None:
    with pytest.raises(
        WrongArguments, match=r"leave_trace: name the arguments, such as leave_trace.dispatch\(call=7\)"
    ):
        workshop.leave_trace.dispatch(7)
    with pytest.raises(WrongArguments, match=r"such as hang.call\(call='x'\)"):
        workshop.hang.call("x")


@pytest.mark.parametrize(
    ("closed", "code", "said"),
    [
        ("<&-", 0, ""),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        (">/dev/full", 1, "Error: No space left on device\n"),
    ],
)
def test_a_stream_that_is_closed_or_full_is_no_traceback(looking: Looking, closed: str, code: int, said: str) -> None:
    command = [sys.executable, "-m", "forecourt", "queue", "size", "--json"]
    ran = subprocess.run(["sh", "-c", f'"$@" {closed}', "sh", *command], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (code, said)


def test_a_queue_that_nobody_uses_or_serves_is_pointed_out(run: Callable[..., Result], looking: Looking) -> None:
    workshop.nothing.using(delay=60, queue="high").dispatch()
    result = run("queue", "pause", "hgih")
    assert result.exit_code == 0
    assert "no job uses a queue named 'hgih'; there is high" in result.stderr
    assert "no job uses" not in run("queue", "pause", "high").stderr
    for no_name in ("", "..", "high,low"):
        refused = run("queue", "pause", no_name)
        assert explained(refused.exception) == (2, str(refused.exception))  # type: ignore[arg-type]
        assert f"queue: {no_name!r} is not a name" in str(refused.exception)
    assert "Queues are named by --queue low,high" in run("queue", "work", "low", "high").output
    process = Process("queue", "work", "--queue", "defualt,low", "--stop-when-empty")
    assert process.wait() == 0
    assert "no job uses a queue named 'defualt'" in process.said()
    assert "'low'" not in process.said(), "the application names it"
    looking.connection.execute(
        "INSERT INTO forecourt.job_definitions (name, queue, priority, parameters, policy)"
        " VALUES ('post', 'letters', 0, '{}', '{}'), ('pay', 'wages', 0, '{}', '{}')"
    )
    with running("queue", "work", "--queue", "wages") as other:
        wait_until(lambda: "worker started" in other.said())
        process = Process("queue", "work", "--stop-when-empty")
        assert process.wait() == 0
    assert "no worker serves queue letters (post): give it to one, such as --queue high," in process.said()
    assert "wages" not in process.said(), "somebody does"


def test_what_a_job_says_does_nothing_on_the_operator_s_terminal(run: Callable[..., Result], looking: Looking) -> None:
    workshop.say_and_fail.dispatch(words=ESCAPE)
    work_until_empty()
    id = looking.one("SELECT id FROM forecourt.failed")
    for typed in (["queue", "failed"], ["queue", "show", str(id)]):
        shown = run(*typed).output
        assert "owned" in shown
        assert "\x1b" not in shown
        assert "\x07" not in shown
    assert ESCAPE.encode("unicode_escape").decode() in run("queue", "show", str(id)).output
    workshop.nothing.using(queue="low").dispatch()
    looking.connection.execute("UPDATE forecourt.ready SET queue = %s", (f"q{ESCAPE}",))
    run("queue", "pause", "low", "--why", ESCAPE)
    for typed in (["queue", "size"], ["queue", "monitor"], ["schedule", "list"], ["queue", "show", f"{ESCAPE}"]):
        assert "\x07" not in run(*typed).output


def test_a_database_without_unicode_is_refused(
    server_url: str, monkeypatch: pytest.MonkeyPatch, empty_var: object
) -> None:
    name = sql.Identifier("sql_ascii")
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {} ENCODING 'SQL_ASCII' TEMPLATE template0 LOCALE 'C'").format(name))
    try:
        url = make_url(server_url).set(database="sql_ascii").render_as_string(hide_password=False)
        migrate = Process("db", "migrate", FORECOURT_DATABASE_URL=url)
        assert (migrate.wait(), "encoding is SQL_ASCII, and Forecourt needs UTF8" in migrate.said()) == (1, True)
        for typed in (["queue", "size"], ["queue", "work"], ["schedule", "run"], ["db", "status"]):
            process = Process(*typed, FORECOURT_DATABASE_URL=url)
            assert process.wait() == 1
            assert "Traceback" not in process.said()
    finally:
        with psycopg.connect(server_url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def test_a_database_that_cannot_be_written_is_said_to_be_so(looking: Looking) -> None:
    """As a standby is."""
    name = looking.one("SELECT quote_ident(current_database())")
    looking.connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
    started = [
        Process(*typed)
        for typed in (
            ["queue", "work"],
            ["queue", "pause", "low"],
            ["schedule", "pause"],
            ["queue", "dispatch", "nothing"],
        )
    ]
    for process in started:
        assert process.wait() == 69, process.said()
        assert "must name the primary" in process.said()
        assert "Traceback" not in process.said()
