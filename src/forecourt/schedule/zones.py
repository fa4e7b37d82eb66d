"""Time zones by their IANA names."""

from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from forecourt.schedule.errors import TimetableError


def zone_named(name: str) -> ZoneInfo:
    """The zone. Raises TimetableError, with the nearest names, if there is none."""
    try:
        return ZoneInfo(name)
    except (
        ZoneInfoNotFoundError,
        ValueError,
        TypeError,
        AttributeError,
        OSError,
    ):  # OSError: a folder, such as "America"
        near = get_close_matches(str(name), available_timezones(), n=3) or ["Asia/Damascus", "Europe/Berlin"]
        raise TimetableError(f"{name!r} is not an IANA time zone, such as {', '.join(near)}") from None
