"""What can go wrong, as a sentence and an exit code."""

import sys

from forecourt import extras

FAILED, USAGE, DEGRADED, REFUSED, NOT_FOUND, UNREACHABLE, BUSY = 1, 2, 3, 4, 5, 69, 75

OF_THE_MARKETPLACE = {
    "NotInTrash": NOT_FOUND,
    "NotPlaced": NOT_FOUND,
    "UnknownSetting": NOT_FOUND,
    "SitemapShrankError": REFUSED,
    "SitemapError": BUSY,
    "ArchiveError": FAILED,
    "StorageError": FAILED,
    "StorageUnavailable": FAILED,
    "PushMissing": FAILED,
}
"""By name: where one of them is raised its module is there, and others of the marketplace may lack
the packages that they need.
"""


class Ended(Exception):
    """A command that ends here, with its own words and exit code."""

    code: int


class Failed(Ended):
    """What was asked for was tried, and did not succeed."""

    code = FAILED


class Degraded(Ended):
    """It was done, and something is not well."""

    code = DEGRADED


class Refused(Ended):
    """Nothing was done, because nobody confirmed it or it would do harm."""

    code = REFUSED


class NotFound(Ended):
    """What was named does not exist."""

    code = NOT_FOUND


class Busy(Ended):
    """Somebody else is at it; try again later."""

    code = BUSY


def told_of(error: Exception) -> int | None:
    """Say on standard error what an error means. Returns the exit code; None, and nothing is said,
    for one that only a programmer can explain."""
    from forecourt.cli.console import say

    code, words = explained(error)
    if code is not None:
        say(f"Error: {words}", err=True, fg="red")
    return code


def explained(error: Exception) -> tuple[int | None, str]:
    """The exit code and the words for an error; the code is None for one that only a programmer can
    explain.
    """
    if isinstance(error, Ended):
        return error.code, str(error)

    import psycopg
    import sqlalchemy.exc

    if "forecourt.marketplace.letters" in sys.modules and (words := _explained_by_its_template(error)):
        return FAILED, words
    if isinstance(error, sqlalchemy.exc.DBAPIError) and isinstance(error.orig, psycopg.Error):
        error = error.orig  # whichever way it was asked, the database says the same
    return _explained_by_the_database(error) if isinstance(error, psycopg.Error) else _explained_by_its_kind(error)


def _explained_by_the_database(error: Exception) -> tuple[int | None, str]:
    import psycopg

    from forecourt.database.address import unreachable

    match error:
        case psycopg.errors.UndefinedTable() if (
            words := error.diag.message_primary or ""
        ) and '"forecourt.' not in words:
            return FAILED, (
                f"{words}. `forecourt db migrate` makes the marketplace's tables, "
                "where FORECOURT_APP names an application that has its duties"
            )
        case psycopg.errors.UndefinedTable() | psycopg.errors.InvalidSchemaName():
            return FAILED, "the database has no Forecourt schema yet: run `forecourt db migrate`"
        case psycopg.errors.LockNotAvailable():
            return BUSY, (
                "another transaction holds a lock that is needed here, so nothing was changed. Try again when it has ended; "
                "pg_stat_activity shows who runs what, and since when"
            )
        case psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure():
            return BUSY, "somebody else changed the same at the same moment, so nothing was changed here. Try again"
        case psycopg.errors.ReadOnlySqlTransaction():
            return UNREACHABLE, (
                f"{unreachable(error)}: it is a standby, its storage is full, or somebody made it read-only. Nothing was changed; "
                "FORECOURT_DATABASE_URL must name the primary"
            )
        case psycopg.errors.InsufficientPrivilege():
            return REFUSED, f"the role may not do this, and nothing was changed: {unreachable(error)}"
        case psycopg.OperationalError() if error.sqlstate is None:
            return UNREACHABLE, f"cannot reach {unreachable(error)}"
        case psycopg.OperationalError():
            return UNREACHABLE, f"the database refused: {unreachable(error)}"
        case _:
            return None, ""


def _explained_by_its_template(error: Exception) -> str | None:
    """For what somebody wrote into a mail template of their own."""
    from jinja2 import TemplateError

    from forecourt.marketplace.letters import in_words

    return in_words(error) if isinstance(error, TemplateError) else None


def _explained_by_its_kind(error: Exception) -> tuple[int | None, str]:
    from forecourt.alerts.apprise import AppriseMissing
    from forecourt.database.connecting import DatabaseUnreachable
    from forecourt.database.joining import TablesInTheWay
    from forecourt.database.private import PrivateServerError
    from forecourt.database.revision import SchemaTooOld
    from forecourt.database.schema import WrongEncoding
    from forecourt.jobs.application import NoSuchApplication
    from forecourt.jobs.arguments import WrongArguments
    from forecourt.schedule.errors import UnknownTaskError
    from forecourt.web.api import errors as api

    of_the_marketplace = [
        OF_THE_MARKETPLACE[kind.__name__]
        for kind in type(error).__mro__
        if kind.__module__.startswith("forecourt.marketplace.") and kind.__name__ in OF_THE_MARKETPLACE
    ]
    if of_the_marketplace:
        return of_the_marketplace[0], str(error)
    match error:
        case api.NotFound():
            return NOT_FOUND, str(error)
        case api.Conflict():
            return BUSY, str(error)
        case api.Unreadable():
            return USAGE, str(error)
        case DatabaseUnreachable():
            return UNREACHABLE, f"cannot reach {error}"
        case PrivateServerError():
            return UNREACHABLE, str(error)
        case UnknownTaskError():
            return NOT_FOUND, str(error)
        case TablesInTheWay():
            return REFUSED, str(error)
        case SchemaTooOld() | WrongEncoding() | AppriseMissing():
            return FAILED, str(error)
        case ModuleNotFoundError() if words := extras.explained(error):
            return FAILED, words
        case NoSuchApplication() | WrongArguments() | ValueError():
            return USAGE, str(error)
        case OSError() if error.strerror:  # a full disk, another's folder, a file where a folder should be
            return FAILED, f"{error.strerror}: {error.filename}" if error.filename else error.strerror
        case _:
            return None, ""
