"""Where the database is: FORECOURT_DATABASE_URL, else the private server."""

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import Conninfo

from forecourt.settings import settings

if TYPE_CHECKING:
    from sqlalchemy import URL

    from forecourt.database.private import PrivateServer

HOW_IT_LOOKS = (
    "is not postgresql://user:password@host:port/name; write @ : / ? # % and spaces in the user or the password as "
    "%40 %3A %2F %3F %23 %25 %20"
)


@lru_cache(maxsize=1)
def libpq_url() -> str:
    """Where the database is, for psycopg and for child processes: FORECOURT_DATABASE_URL, else the
    private server, started if it does not run yet. Raises ValueError for what is no address."""
    configured = settings().database_url or start_private_server()
    scheme, separator, place = configured.partition("://")
    if not separator or scheme.partition("+")[0] not in ("postgresql", "postgres"):
        instead = f", not {scheme}://" if separator else ""
        raise ValueError(f"FORECOURT_DATABASE_URL must start with postgresql://{instead}")
    if "@" in place.partition("@")[2].partition("?")[0]:
        # A password with @ or / in it would be cut there, and its rest be taken for the host, and
        # printed as such.
        raise ValueError(f"FORECOURT_DATABASE_URL {HOW_IT_LOOKS}")
    return f"postgresql://{place}"


def start_private_server() -> str:
    """Where the private server is, which is started if it does not run."""
    return _private_server(settings().var / "postgres").start()


@lru_cache(maxsize=1)
def _private_server(root: Path) -> "PrivateServer":
    from forecourt.database.private import PrivateServer

    return PrivateServer(root)


def database_url() -> "URL":
    """The same address for SQLAlchemy, as libpq reads it."""
    return for_sqlalchemy(parsed_address())


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


@lru_cache
def parsed(address: str) -> Mapping[str, Any]:
    """The parts of an address, as libpq reads it."""
    return conninfo_to_dict(address)


def parsed_address() -> Mapping[str, Any]:
    """The parts of the database's address, as libpq reads it. Raises ValueError for what is no
    address, without its words.
    """
    with suppress(psycopg.ProgrammingError):  # its words may hold the password
        said = parsed(libpq_url())
        if said.get("port", "0").replace(",", "").isdigit():
            return said
    raise ValueError(f"FORECOURT_DATABASE_URL {HOW_IT_LOOKS}")


def unreachable(error: Exception) -> str:
    """One sentence for people: what could not be reached, as whom, and what the driver said."""
    known = {one.keyword.decode(): one.val.decode() for one in Conninfo.get_defaults() if one.val}
    address = {**known, **parsed_address()}
    place = address.get("host") or (f"service {address['service']}" if "service" in address else "the local socket")
    reason = str(error).strip().splitlines()[0].strip() if str(error).strip() else type(error).__name__
    return f"PostgreSQL at {place}, port {address.get('port', 5432)}, user {address.get('user', 'default')}: {reason}"
