"""What can go wrong, as a sentence and an exit code."""

import psycopg
import pydantic
import sqlalchemy.exc

from forecourt.database.engine import DatabaseUnreachable, unreachable
from forecourt.database.private import PrivateServerError
from forecourt.database.schema import SchemaTooOld
from forecourt.jobs.application import NoSuchApplication
from forecourt.jobs.arguments import WrongArguments
from forecourt.marketplace.archive import ArchiveError
from forecourt.marketplace.sitemap import SitemapError, SitemapShrankError
from forecourt.schedule.errors import TimetableError, UnknownTaskError

FAILED, USAGE, DEGRADED, REFUSED, NOT_FOUND, UNREACHABLE, HELD = 1, 2, 3, 4, 5, 69, 75


class Refused(Exception):
    """Nothing was done, because nobody confirmed it."""


class Failed(Exception):
    """What was asked for was tried, and did not succeed."""


class NotFound(Exception):
    """What was named does not exist."""


class Held(Exception):
    """Somebody else is at it; try again later."""


def explained(error: Exception) -> tuple[int | None, str]:
    """The exit code and the words for an error; the code is None for one that only a programmer can explain."""
    match error:
        case Failed():
            return FAILED, str(error)
        case Refused():
            return REFUSED, str(error)
        case NotFound() | UnknownTaskError():
            return NOT_FOUND, str(error)
        case Held():
            return HELD, str(error)
        case DatabaseUnreachable():
            return UNREACHABLE, f"cannot reach {error}"
        case sqlalchemy.exc.OperationalError(orig=psycopg.OperationalError() as origin) if origin.sqlstate is None:
            return UNREACHABLE, f"cannot reach {unreachable(origin)}"
        case sqlalchemy.exc.OperationalError(orig=psycopg.OperationalError() as origin):
            return UNREACHABLE, f"the database refused: {unreachable(origin)}"
        case sqlalchemy.exc.ProgrammingError(orig=psycopg.errors.UndefinedTable() | psycopg.errors.InvalidSchemaName()):
            return FAILED, "the database has no Forecourt schema yet: run `forecourt db migrate`"
        case psycopg.errors.UndefinedTable() | psycopg.errors.InvalidSchemaName():
            return FAILED, "the database has no Forecourt schema yet: run `forecourt db migrate`"
        case SitemapShrankError():
            return REFUSED, str(error)
        case SitemapError():
            return HELD, str(error)
        case ArchiveError():
            return FAILED, str(error)
        case PrivateServerError():
            return UNREACHABLE, str(error)
        case SchemaTooOld():
            return FAILED, str(error)
        case NoSuchApplication() | TimetableError() | WrongArguments():
            return USAGE, str(error)
        case pydantic.ValidationError():
            problems = [f"FORECOURT_{'_'.join(map(str, p['loc'])).upper()}: {p['msg']}" for p in error.errors()]
            return USAGE, "; ".join(problems)
        case ValueError():
            return USAGE, str(error)
        case _:
            return None, ""
