"""The suites that know what time it is, on another day: `python -m days [NAME]`, or `make days`.

The clocks of all processes are moved, PostgreSQL's included, by the library that the storms use for
hosts with wrong clocks. Unless a name is given the date chooses one, so that all have their turn.
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from faults.skew import Skew, library

DAYS = {
    "28 February": ("2027-02-28 23:58", "UTC"),
    "29 February": ("2028-02-29 12:00", "UTC"),
    "the last of a month": ("2027-04-30 23:58", "UTC"),
    "New Year's night, ahead of UTC": ("2027-12-31 23:59", "Pacific/Auckland"),
    "Cairo's spring": ("2027-04-29 23:59", "Africa/Cairo"),
    "Cairo's autumn": ("2027-10-28 23:58", "Africa/Cairo"),
    "Berlin's spring": ("2027-03-28 01:59", "Europe/Berlin"),
    "Berlin's autumn": ("2027-10-31 02:58", "Europe/Berlin"),
    "a Monday morning": ("2027-06-07 08:59", "Asia/Damascus"),
    "2030": ("2030-08-15 00:00", "UTC"),
}
"""When the run begins, on whose wall."""

SUITES = (
    *("schedule", "store", "jobs", "testing", "cli/test_schedule.py", "cli/test_queue.py", "web/test_health.py"),
    *(f"workers/test_{name}.py" for name in ("chains", "errands", "unique")),
    *(f"slots/test_{name}.py" for name in ("limits", "transitions")),
    *(
        f"marketplace/test_{name}.py"
        for name in ("analytics", "archive", "notices", "partitions", "placements", "restore")
    ),
    *(f"marketplace/test_{name}.py" for name in ("sitemap", "trash", "views", "wallets", "letters", "mail")),
    *("test_reference.py", "test_settings.py"),
)
"""Those that read a clock, or compare with one. The rest neither stores nor shows a time."""

TESTS = Path(__file__).parent


def main() -> int:
    """Run them, and return pytest's exit code."""
    names = list(DAYS)
    name = sys.argv[1] if len(sys.argv) > 1 else names[int(time.time() // 86_400) % len(names)]
    if name not in DAYS:
        print(f"no day is named {name!r}; there is {', '.join(names)}", file=sys.stderr)
        return 2
    wall, zone = DAYS[name]
    begins = datetime.fromisoformat(wall).replace(tzinfo=ZoneInfo(zone))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # the private server runs as another user
        shim = library(Path(folder))
        if shim is None:
            print("no C compiler (cc), so no clock can be moved: nothing was run on another day")
            return 0
        moved = Skew(shim, Path(folder) / "skew", begins.timestamp() - time.time())
        shown = datetime.fromtimestamp(moved.shown(), UTC)
        print(f"{name}: all clocks begin at {shown.astimezone(ZoneInfo(zone)):%A %Y-%m-%d %H:%M %Z}", flush=True)
        command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "-q", "-p", "no:cacheprovider"]
        environment = os.environ | moved.environment
        return subprocess.call([*command, *(str(TESTS / suite) for suite in SUITES)], env=environment)


if __name__ == "__main__":
    sys.exit(main())
