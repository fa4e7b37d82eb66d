"""For Supervisor: a program for each kind of process."""

import re
import shlex

from forecourt.deploy.site import Site


def supervisor(site: Site) -> str:
    """The text of /etc/supervisor/conf.d/NAME.conf. Raises ValueError for a setting that no such
    file can hold.
    """
    environment = ",".join(f"{name}={_quoted(name, value)}" for name, value in site.settings.items())
    common = f"""\
directory={_plain(site.folder)}
user={site.user}
{f"environment={environment}" if environment else "; settings come from .env in that folder"}
autostart=true
autorestart=true
redirect_stderr=true
"""
    command, logs = _plain(shlex.quote(str(site.forecourt))), _plain(site.var / "logs")
    return f"""\
; Supervisor: save as /etc/supervisor/conf.d/{site.name}.conf, then: supervisorctl update
; Before the first time, as Supervisor does not start without the folder: mkdir -p {shlex.quote(str(site.var / "logs"))}
; One worker has {site.processes} slots and watches over them itself, so numprocs stays 1.

[program:{site.name}-worker]
command={command} {_plain(site.worker)}
{common}stdout_logfile={logs}/worker.log
stopsignal=TERM
; the longest job may take {site.ladder.job:.0f} s, the worker waits {site.ladder.shutdown:.0f} s for it: this must be longer
stopwaitsecs={max(site.ladder.stop, 3600):.0f}
; TERM goes to the worker alone, which lets its slots finish; KILL goes to all
stopasgroup=false
killasgroup=true

[program:{site.name}-clock]
command={command} schedule work
{common}stdout_logfile={logs}/clock.log

[program:{site.name}-web]
command={command} web
{common}stdout_logfile={logs}/web.log

[group:{site.name}]
programs={site.name}-worker,{site.name}-clock,{site.name}-web
"""


def _plain(value: object) -> str:
    return str(value).replace("%", "%%")


def _quoted(name: str, value: str) -> str:
    """Supervisor has quotes, but no way to write one within them, nor what looks like a comment."""
    quote = "'" if '"' in value else '"'
    if quote in value or re.search(r"\s[;#]", value):
        raise ValueError(f"{name}: no file of Supervisor's can hold this value; set it in .env instead")
    return f"{quote}{_plain(value)}{quote}"
