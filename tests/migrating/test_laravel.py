"""What waits in Laravel's tables: shown first, taken in one transaction, and what cannot be taken
stays.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fleet import Looking
from forecourt.cli import forecourt
from forecourt.cli.errors import explained
from forecourt.migrating.laravel import MODEL as MODEL_KIND
from forecourt.migrating.laravel import message
from forecourt.migrating.php import NotSerialized, Thing, unserialized

TABLES = """
CREATE TABLE public.jobs (
    id bigserial PRIMARY KEY, queue varchar(255) NOT NULL, payload text NOT NULL, attempts smallint NOT NULL,
    reserved_at integer, available_at integer NOT NULL, created_at integer NOT NULL
);
CREATE TABLE public.failed_jobs (
    id bigserial PRIMARY KEY, uuid varchar(255) UNIQUE NOT NULL, connection text NOT NULL, queue text NOT NULL,
    payload text NOT NULL, exception text NOT NULL, failed_at timestamp(0) NOT NULL DEFAULT now()
)
"""
"""As `php artisan queue:table` and `queue:failed-table` make them for PostgreSQL."""

MODEL = (
    'O:45:"Illuminate\\Contracts\\Database\\ModelIdentifier":5:{s:5:"class";s:14:"App\\Models\\Car";s:2:"id";i:7;'
    's:9:"relations";a:0:{}s:10:"connection";s:5:"pgsql";s:15:"collectionClass";N;}'
)


def command(kind: str, properties: str, count: int) -> str:
    return f'O:{len(kind)}:"{kind}":{count}:{{{properties}}}'


def payload(kind: str, serialized: str) -> str:
    return json.dumps(
        {
            "uuid": "b6a0",
            "displayName": kind,
            "job": "Illuminate\\Queue\\CallQueuedHandler@call",
            "maxTries": 3,
            "data": {"commandName": kind, "command": serialized},
        }
    )


LEAVE = payload(
    "App\\Jobs\\LeaveTrace", command("App\\Jobs\\LeaveTrace", 's:4:"call";s:7:"von PHP";s:5:"queue";s:3:"low";', 2)
)
COUNT = payload("App\\Jobs\\CountView", command("App\\Jobs\\CountView", f's:10:"\0*\0listing";{MODEL}', 1))
CHAINED = payload("App\\Jobs\\LeaveTrace", command("App\\Jobs\\LeaveTrace", 's:7:"chained";a:1:{i:0;s:3:"O:1";}', 1))
ENCRYPTED = payload("App\\Jobs\\LeaveTrace", "eyJpdiI6")


@pytest.fixture
def type_(looking: Looking, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("FORECOURT_APP", "workshop:app")
    looking.connection.execute(TABLES)

    def invoke(*arguments: str) -> Any:
        return CliRunner().invoke(forecourt, ["migrate-from", "laravel", *arguments])

    return invoke


def put(looking: Looking, payload: str, *, available_at: int = 0, reserved_at: int | None = None) -> None:
    looking.rows(
        "INSERT INTO public.jobs (queue, payload, attempts, available_at, reserved_at, created_at)"
        " VALUES ('default', %s, 0, %s, %s, 0) RETURNING id",
        payload,
        available_at,
        reserved_at,
    )


def test_what_waits_is_shown_then_taken_and_the_rest_stays(looking: Looking, type_: Callable[..., Result]) -> None:
    far = 32_503_680_000  # in the year 3000, which needs a bigint, as newer versions of Laravel have
    looking.connection.execute("ALTER TABLE public.jobs ALTER available_at TYPE bigint")
    put(looking, LEAVE)
    put(looking, LEAVE, available_at=far)
    put(looking, COUNT)
    for hopeless in (CHAINED, ENCRYPTED, "nonsense"):
        put(looking, hopeless)
    put(looking, LEAVE, reserved_at=1)

    shown = type_("--map", "App\\Jobs\\CountView=count_view")
    assert shown.exit_code == 2
    assert "no job is named 'count_view'" in shown.output

    shown = type_()
    assert (shown.exit_code, looking.live(), looking.one("SELECT count(*) FROM public.jobs")) == (3, 0, 7)
    for words in (
        '{"call": "von PHP"}',
        "no job is named 'count_view'; say which one it is with --map 'App\\Jobs\\CountView=JOB'",
        "let Laravel finish the chain",
        "encrypted",
        "its payload is not what Laravel writes",
        "a worker of Laravel's has it",
        "Nothing was changed. 2 calls can be taken: repeat with --take",
    ):
        assert words in shown.output, words

    assert "no such argument: 'listing_id' (it takes key)" in type_("--map", "App\\Jobs\\CountView=once_an_hour").output
    done = type_("--take")
    assert (done.exit_code, "2 calls taken." in done.output) == (3, True)
    assert looking.rows("SELECT job, args FROM forecourt.ready") == [("leave_trace", {"call": "von PHP"})]
    assert looking.rows("SELECT extract(epoch FROM run_at)::bigint FROM forecourt.scheduled") == [(far,)]
    assert looking.one("SELECT count(*) FROM public.jobs") == 5
    assert "0 calls taken." in type_("--take").output
    assert looking.live() == 2, "taken once"


def test_what_has_failed_is_taken_from_another_database_too(
    looking: Looking, type_: Callable[..., Result], database: str
) -> None:
    looking.rows(
        "INSERT INTO public.failed_jobs (uuid, connection, queue, payload, exception)"
        " VALUES ('1', 'redis', 'low', %s, 'x') RETURNING 1",
        LEAVE,
    )
    done = type_("--failed", "--database", database, "--take")
    assert done.exit_code == 0, done.output
    assert (looking.count("ready"), looking.one("SELECT count(*) FROM public.failed_jobs")) == (1, 0)
    assert "Nothing waits there." in type_("--failed").output

    looking.connection.execute("DROP TABLE public.jobs")
    for typed, words in (
        ([], "this database has no table public.jobs: name the one of the Laravel application with --database"),
        (["--database", "mysql://root@localhost/shop"], "'mysql' cannot be read: expected postgresql://"),
        (["--database", "postgresql://localhost:1/shop"], "cannot reach Laravel's database"),
    ):
        refused = type_(*typed).exception
        assert refused is not None
        code, said = explained(refused)
        assert (code, words in said) == (2, True), said


def test_php_s_values_are_read_as_data() -> None:
    text = (
        'O:19:"IncrementViewsCount":5:{s:5:"tries";i:3;s:9:"listingId";i:42;s:7:"\0*\0note";N;'
        's:25:"\0IncrementViewsCount\0tags";a:2:{s:1:"a";d:1.5;i:2;b:1;}s:4:"same";R:5;}'
    )
    assert unserialized(text.encode()) == Thing(
        "IncrementViewsCount",
        {"tries": 3, "listingId": 42, "note": None, "tags": {"a": 1.5, 2: True}, "same": {"a": 1.5, 2: True}},
    )
    assert unserialized('a:2:{i:0;s:2:"ü";i:1;a:0:{}}'.encode()) == ["ü", []]


@pytest.mark.parametrize(
    "text",
    [
        *("", "i:1", "i:x;", 's:9:"short";', "a:1:{i:0;}", "i:1;i:2;", "C:1:{}", "R:9;", "a:1:{i:0;" * 200, "a:-1:{}"),
        *("a:1:{a:0:{}i:1;}", "r:0;", "a:2:{i:0;i:1;i:1;R:-1;}"),
    ],
)
def test_what_php_did_not_write_is_refused(text: str) -> None:
    with pytest.raises(NotSerialized):
        unserialized(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        payload("App\\Jobs\\CountView", command("App\\Jobs\\CountView", f's:3:"car";{command(MODEL_KIND, "", 0)}', 1)),
        '{"data": {"command": 7}}',
        "[" * 100_000,
    ],
    ids=["a model without its id", "no command", "no bottom"],
)
def test_a_message_that_makes_no_sense_stays_and_stops_no_other(text: str) -> None:
    assert message(1, text, None).problem == "its payload is not what Laravel writes"
