"""The application whose timetable the pages show."""

from forecourt.app import Forecourt, load
from forecourt.jobs.application import NoSuchApplication
from forecourt.schedule.errors import TimetableError
from forecourt.settings import settings


class CannotLoad(Exception):
    """The application that FORECOURT_APP names cannot be loaded here; the message says why."""


def application() -> Forecourt:
    """As FORECOURT_APP names it. Raises CannotLoad."""
    try:
        return load()
    except (NoSuchApplication, TimetableError) as error:
        raise CannotLoad(str(error)) from error
    except Exception as error:
        raise CannotLoad(f"{type(error).__name__}: {error}") from error


_has_marketplace: dict[str, bool] = {}
"""By the application's name, once it was loaded: what each of a thousand events a second would
ask.
"""


def may_have_marketplace() -> bool:
    """Whether what the marketplace serves is there to ask for: not where the application is loaded,
    and has none of its jobs.
    """
    try:
        found = application().has_marketplace
    except CannotLoad:
        return True
    _has_marketplace[settings().app] = found
    return found


def known_marketplace() -> bool | None:
    """The same, where that was found out before: without an import, so without a thread. Else
    None.
    """
    return _has_marketplace.get(settings().app)


def is_marketplace(app: Forecourt) -> bool:
    """Whether it is the marketplace that comes with Forecourt, or built on it."""
    return "generate_sitemap" in app.timetable and "expire_sponsored_listings" in app.timetable
