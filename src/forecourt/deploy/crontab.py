"""For cron: the schedule, without a daemon."""

import shlex

from forecourt.deploy.site import Site


def crontab(site: Site) -> str:
    """One line for `crontab -e`."""
    settings = "".join(f"{name}={shlex.quote(value)} " for name, value in site.settings.items())
    line = f"cd {shlex.quote(str(site.folder))} && {settings}{shlex.quote(str(site.forecourt))} schedule run"
    escaped = line.replace("%", r"\%")  # cron would take it for the end of the line
    return f"""\
# cron: instead of a clock. Add it with: crontab -e
# Workers need a process manager all the same.
* * * * * {escaped}
"""
