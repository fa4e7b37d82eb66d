"""The process's one engine, and plain connections beside it: where they lead, and how they are set
up.

SQLAlchemy is imported where it is used: a command that reads a table takes a plain connection, and
answers in half the time.
"""

import atexit
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo, TransactionStatus

from forecourt.database import pooling
from forecourt.settings import settings

if TYPE_CHECKING:
    from sqlalchemy import URL, Engine
    from sqlalchemy.orm import Session

    from forecourt.database.private import PrivateServer

ENCODING = {"client_encoding": "UTF8"}
"""Whatever the server or the role prefers: text arrives as text, also from a database that does not
know what it keeps.
"""

SIGNS_OF_LIFE = {
    "connect_timeout": 10,
    # A host that is cut off hears nothing at all, not even that its connection is gone: it would
    # wait for its answer for a quarter of an hour. With these it knows after 25 seconds, of silence
    # or of not being listened to. Not before the 15 in which a silent worker is given up: what
    # ended on its machine until then could not be told, and its attempt would not count.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}
"""How libpq finds out that nobody is there, in seconds but for the last, which is in milliseconds.
What the address says wins.
"""

PINNED = {
    "default_transaction_isolation": r"read\ committed",
    "default_transaction_deferrable": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "15min",  # what a host that was cut off holds is free by then
    "idle_session_timeout": "0",
    "TimeZone": "UTC",
    "DateStyle": "ISO",  # the driver reads no other
    "IntervalStyle": "postgres",
}
"""What the engine's own sessions need, whatever the role or the database says; the sessions of jobs
keep what those say. The search path is not among them: every name in a statement of ours has its
schema."""

HOW_IT_LOOKS = (
    "is not postgresql://user:password@host:port/name; write @ : / ? # % and spaces in the user or the password as "
    "%40 %3A %2F %3F %23 %25 %20"
)


class DatabaseUnreachable(RuntimeError):
    """PostgreSQL does not answer; the message names host, port and user."""


@lru_cache(maxsize=1)
def libpq_url() -> str:
    """Where the database is, for psycopg and for child processes: FORECOURT_DATABASE_URL, else the
    private server, started if it does not run yet. Raises ValueError for what is no address."""
    configured = settings().database_url or _private_server(settings().var / "postgres").start()
    scheme, separator, place = configured.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        instead = f", not {scheme}://" if separator else ""
        raise ValueError(f"FORECOURT_DATABASE_URL must start with postgresql://{instead}")
    if "@" in place.partition("@")[2].partition("?")[0]:
        # A password with @ or / in it would be cut there, and its rest be taken for the host, and
        # printed as such.
        raise ValueError(f"FORECOURT_DATABASE_URL {HOW_IT_LOOKS}")
    return f"postgresql://{place}"


@lru_cache(maxsize=1)
def _private_server(root: Path) -> "PrivateServer":
    from forecourt.database.private import PrivateServer

    return PrivateServer(root)


def connected(connect: Callable[[], psycopg.Connection[Any]]) -> psycopg.Connection[Any]:
    """Connect. When the private server does not answer it is started again, by whichever process
    notices first.
    """
    try:
        return connect()
    except psycopg.OperationalError:
        if settings().database_url is not None:
            raise
        _private_server(settings().var / "postgres").start()
        return connect()


def database_url() -> "URL":
    """The same address for SQLAlchemy, as libpq reads it."""
    return for_sqlalchemy(_address())


def for_sqlalchemy(said: Mapping[str, Any]) -> "URL":
    """An address that libpq has read. SQLAlchemy reads some otherwise: several hosts with their
    ports, a socket's folder as host. A password is in its place then, and hidden where it is shown.
    """
    from sqlalchemy import URL

    rest = dict(said)
    place: dict[str, Any] = {"username": rest.pop("user", None), "password": rest.pop("password", None)}
    if "host" in rest and not set(rest["host"]) & set(",/@"):
        place["host"] = rest.pop("host")
        if rest.get("port", "").isdigit():
            place["port"] = int(rest.pop("port"))
    return URL.create("postgresql+psycopg", database=rest.pop("dbname", None), query=rest, **place)


_engine: "Engine | None" = None
_making = threading.Lock()


def engine() -> "Engine":
    """The engine of this process. Made at first use, so that a process forked before then shares no
    connection.
    """
    global _engine
    if _engine is None:
        with _making:  # two threads at once would each make one, and one of them would be closed by nobody
            if _engine is None:
                _engine = make_engine()
    return _engine


def use_engine(chosen: "Engine") -> None:
    """Make `chosen` the engine of this process."""
    global _engine
    _engine = chosen


def make_engine(*, pool_size: int = 5, application_name: str = "forecourt", spotless: bool = False) -> "Engine":
    """An engine of one's own, for those who must not share: slots and the supervisor. A connection
    that broke while nobody used it is replaced instead of handed out. With `spotless`, for jobs,
    its sessions are as the role has them, and whatever was left on a connection (settings,
    listening, temporary tables, advisory locks) is gone when it is handed out again."""
    from sqlalchemy import create_engine, event

    ours = {} if spotless else {"isolation_level": "READ COMMITTED"}
    made = create_engine(
        database_url(),
        pool_size=pool_size,
        connect_args={"application_name": application_name} | driver_options(pinned=not spotless),
        pool_reset_on_return=None if spotless else "rollback",
        **ours,
    )
    event.listen(made, "do_connect", connect_anew)
    pooling.note_returns(made)
    pooling.ping_after_a_pause(made)
    if spotless:
        pooling.clean_on_return(made)
    return made


_renamed: dict[str, str] = {}


def rename(application_name: str) -> None:
    """What the connections of this process's engines are called that they open from now on: a fork
    uses one that was made before.
    """
    _renamed["application_name"] = application_name


def connect_anew(dialect: Any, _record: Any, args: Any, options: Any) -> psycopg.Connection[Any]:
    """For an engine's event `do_connect`: a private server that died is started again."""
    return connected(lambda: dialect.connect(*args, **options | _renamed))


def forget_engine() -> None:
    """Close this process's connections and read the settings again at the next use."""
    global _engine
    if _engine is not None:
        pooling.retire(_engine)
    _engine = None
    libpq_url.cache_clear()


atexit.register(forget_engine)


def connect(
    *, autocommit: bool = False, application_name: str = "forecourt", spotless: bool = False
) -> psycopg.Connection[tuple[Any, ...]]:
    """A plain psycopg connection outside the pool, for the engine's own statements; with
    `spotless`, for jobs: as the role has it.

    Raises DatabaseUnreachable, which names host, port and user.
    """
    try:
        address = libpq_url()
        options: dict[str, Any] = {"application_name": application_name} | driver_options(pinned=not spotless)
        connection = connected(lambda: psycopg.connect(address, autocommit=autocommit, **options))
        if not spotless:
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        return connection
    except psycopg.OperationalError as error:
        raise DatabaseUnreachable(unreachable(error)) from error


def driver_options(*, pinned: bool, address: str = "") -> dict[str, Any]:
    """How connections are made: to the database, or to another `address`; with `pinned`, for the
    engine's own sessions.
    """
    said = _parsed(address) if address else _address()
    options: dict[str, Any] = {name: value for name, value in SIGNS_OF_LIFE.items() if name not in said} | ENCODING
    if settings().pooled:
        # The next transaction may run on a connection that was never told of a prepared statement;
        # and options at the start of a session are refused, so there the isolation alone is pinned,
        # which each BEGIN names.
        return options | {"prepare_threshold": None}
    if pinned:
        ours = " ".join(f"-c {name}={value}" for name, value in PINNED.items())
        options["options"] = f"{said.get('options', '')} {ours}".strip()
    return options


def async_options() -> dict[str, Any]:
    """What the driver is told for asynchronous sessions of jobs."""
    return driver_options(pinned=False)


@lru_cache
def _parsed(address: str) -> Mapping[str, Any]:
    return conninfo_to_dict(address)


def _address() -> Mapping[str, Any]:
    with suppress(psycopg.ProgrammingError):  # its words may hold the password
        said = _parsed(libpq_url())
        if said.get("port", "0").replace(",", "").isdigit():
            return said
    raise ValueError(f"FORECOURT_DATABASE_URL {HOW_IT_LOOKS}")


def unreachable(error: Exception) -> str:
    """One sentence for people: what could not be reached, as whom, and what the driver said."""
    known = {one.keyword.decode(): one.val.decode() for one in Conninfo.get_defaults() if one.val}
    address = {**known, **_address()}
    place = address.get("host") or (f"service {address['service']}" if "service" in address else "the local socket")
    reason = str(error).strip().splitlines()[0].strip() if str(error).strip() else type(error).__name__
    return f"PostgreSQL at {place}, port {address.get('port', 5432)}, user {address.get('user', 'default')}: {reason}"


class each_by_itself:  # noqa: N801 - a context manager, and half the time of a generator
    """A pooled connection, without a transaction, for statements that `ask` sends: each is one of
    its own. They leave nothing behind in their session.

    The pool is asked without SQLAlchemy's Connection around it, which takes longer than all else
    that a dispatch does before its statement is sent.
    """

    __slots__ = ("_lent",)

    def __enter__(self) -> psycopg.Connection[Any]:
        try:
            self._lent = engine().raw_connection()
        except psycopg.OperationalError:
            with engine().connect():  # raises it as SQLAlchemy's, as whoever uses a session knows it
                raise
        return cast("psycopg.Connection[Any]", self._lent.driver_connection)

    def __exit__(self, kind: object, *_: object) -> None:
        connection = cast("psycopg.Connection[Any]", self._lent.driver_connection)
        if connection.closed or connection.pgconn.transaction_status != TransactionStatus.IDLE:
            self._lent.invalidate()
            return
        if kind is None:
            self._lent.info["clean"] = True
        self._lent.close()


@contextmanager
def session() -> "Iterator[Session]":
    """A session in a transaction of its own: committed at the end, rolled back when the block
    raises.
    """
    from sqlalchemy.orm import Session

    with Session(engine()) as opened, opened.begin():
        yield opened
