"""Time zones by their IANA names."""

import re
from difflib import get_close_matches
from zoneinfo import ZoneInfo, available_timezones

from forecourt.schedule.errors import TimetableError
from forecourt.setting_values import zone


def zone_named(name: str) -> ZoneInfo:
    """The zone. Raises TimetableError, with the nearest names, if there is none."""
    try:
        return ZoneInfo(zone(name if isinstance(name, str) else ""))
    except ValueError:
        if found := re.fullmatch(r"(?:GMT|UTC)([+-])(\d{1,2})", str(name), re.IGNORECASE):
            # The database's names have the sign turned round, as POSIX does: Etc/GMT-3 is three
            # hours ahead of Greenwich.
            turned = f"Etc/GMT{'-' if found[1] == '+' else '+'}{int(found[2])}"
            raise TimetableError(
                f"{name!r} is not an IANA time zone; {found[2]} hours {'ahead of' if found[1] == '+' else 'behind'} UTC is "
                f"{turned} there, and a place, such as Asia/Damascus, also knows its summer time"
            ) from None
        near = get_close_matches(str(name), available_timezones() - {"localtime", "Factory"}, n=3) or [
            "Asia/Damascus",
            "Europe/Berlin",
        ]
        raise TimetableError(f"{name!r} is not an IANA time zone, such as {', '.join(near)}") from None
