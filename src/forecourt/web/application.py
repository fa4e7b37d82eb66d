"""The application whose timetable the pages show."""

from forecourt.app import Forecourt, load
from forecourt.jobs.application import NoSuchApplication
from forecourt.schedule.errors import TimetableError


class CannotLoad(Exception):
    """The application that FORECOURT_APP names cannot be loaded here; the message says why."""


def application() -> Forecourt:
    """As FORECOURT_APP names it. Raises CannotLoad."""
    try:
        return load()
    except (NoSuchApplication, TimetableError, TypeError) as error:
        raise CannotLoad(str(error)) from error
    except Exception as error:
        raise CannotLoad(f"{type(error).__name__}: {error}") from error


def may_have_marketplace() -> bool:
    """Whether what the marketplace serves is there to ask for: not where the application is loaded, and has none of its jobs."""
    try:
        return application().has_marketplace
    except CannotLoad:
        return True


def is_marketplace(app: Forecourt) -> bool:
    """Whether it is the marketplace that comes with Forecourt, or built on it."""
    return "generate_sitemap" in app.timetable and "expire_sponsored_listings" in app.timetable
