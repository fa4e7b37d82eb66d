"""Quiet hours: no mail rings a phone at night, in whichever zone its reader sleeps."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def quiet_until(now: datetime, zone: ZoneInfo, hours: tuple[time, time] | None) -> datetime | None:
    """When the quiet hours end in which `now` lies, by the clocks of `zone`; None when it lies in
    none.

    They may reach across midnight. On a night on which clocks are set they end when the clock on
    the wall says so; an end that the clocks skip is the instant they go to.
    """
    if hours is None:
        return None
    begin, end = hours
    local = now.astimezone(zone)
    clock = local.time()
    across_midnight = end <= begin
    inside = clock >= begin or clock < end if across_midnight else begin <= clock < end
    if not inside:
        return None
    day = local.date() + timedelta(days=across_midnight and clock >= begin)
    morning = datetime.combine(day, end, zone)
    if morning.astimezone(UTC) <= now:  # the hour comes twice, and this is the second time
        morning = morning.replace(fold=1)
    return morning.astimezone(UTC)
