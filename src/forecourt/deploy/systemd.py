"""For systemd: a unit for each kind of process."""

import shlex

from forecourt.deploy.site import Site

NOTIFYING = """\
Type=notify
NotifyAccess=main
# Each turn of its loop, in which it looks after every slot, feeds the watchdog.
WatchdogSec=30
"""

SHARED = """\
# The private PostgreSQL's socket lies there when its folder's path is too long for one: for all units, so no PrivateTmp.
ReadWritePaths=/tmp
"""


def systemd(site: Site, unit: str) -> str:
    """The text of /etc/systemd/system/NAME-UNIT.service: worker, clock or web."""
    command = {"worker": site.worker, "clock": "schedule work", "web": "web"}[unit]
    ladder, is_worker = site.ladder, unit == "worker"
    why = f"# The longest job may take {ladder.job:.0f} s, a worker waits {ladder.shutdown:.0f} s for it: this must be longer.\n"
    kind, why, stop = (NOTIFYING, why, ladder.stop) if is_worker else ("Type=exec\n", "", 30)
    temporary = SHARED if site.has_private_server else "PrivateTmp=yes\n"
    settings = "".join(f'Environment="{_quoted(f"{name}={value}")}"\n' for name, value in site.settings.items())
    return f"""\
# systemd: save as /etc/systemd/system/{site.name}-{unit}.service, then: systemctl enable --now {site.name}-{unit}
# Before the first time, as it does not start without the folder: mkdir -p {shlex.quote(str(site.var))}
[Unit]
Description=Forecourt's {unit} of {site.name}
After=network-online.target postgresql.service
Wants=network-online.target
# It goes on trying for as long as the database is away.
StartLimitIntervalSec=0

[Service]
{kind}User={site.user}
WorkingDirectory={_plain(site.folder)}
ExecStart="{_quoted(site.forecourt)}" {_plain(command)}
# Further settings come from .env in that folder.
{settings}Restart=always
RestartSec=2
# A worker that ended because of its memory limit ended in order.
SuccessExitStatus=12
# TERM goes to the process that systemd started, which lets its slots finish; KILL goes to all that is left.
KillMode=mixed
KillSignal=SIGTERM
{why}TimeoutStopSec={stop:.0f}
# A slot that the kernel kills for its memory is replaced by its worker.
OOMPolicy=continue
NoNewPrivileges=yes
{temporary}ProtectSystem=strict
ReadWritePaths="{_quoted(site.var)}"

[Install]
WantedBy=multi-user.target
"""


def _plain(value: object) -> str:
    return str(value).replace("%", "%%")


def _quoted(value: object) -> str:
    return _plain(value).replace("\\", "\\\\").replace('"', '\\"')
