"""Hosts in networks of their own, made of Linux namespaces, whose cable can be pulled: packets
vanish, and nobody is told.
"""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from faults.hosts import Host
from faults.storm import Storm
from fleet import wait_until

NOBODY = "02:00:00:00:00:01"
"""The address of a network card that does not exist: what is sent to it arrives nowhere."""

BACK = "SELECT 1 FROM forecourt.workers WHERE host = %s AND beat_at > now() - interval '5 seconds'"


class NoNetworks(Exception):
    """This machine does not let us make networks; the message says why."""


class Cable:
    """A namespace and its link to this machine."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self._space = f"storm-{os.getpid()}-{name}"
        self._near, self._far = f"st{os.getpid() % 100_000}n{number}", f"st{os.getpid() % 100_000}f{number}"
        subnet = f"10.213.{os.getpid() % 250}"
        self.here, self.there = f"{subnet}.{4 * number + 1}", f"{subnet}.{4 * number + 2}"
        self._cards = {"near": "", "far": ""}

    @property
    def prefix(self) -> list[str]:
        """How to start a program over there, on a host with the cable's name."""
        rename = 'echo "$0" > /proc/sys/kernel/hostname && exec "$@"'
        return ["ip", "netns", "exec", self._space, "unshare", "--uts", "sh", "-c", rename, self.name]

    def lay(self) -> None:
        """Raises NoNetworks."""
        try:
            _run("ip", "netns", "add", self._space)
            _run("ip", "link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self._space)
        except (OSError, subprocess.CalledProcessError) as error:
            said = error.stderr.decode().strip() if isinstance(error, subprocess.CalledProcessError) else error
            raise NoNetworks(f"network namespaces cannot be made here: {said}") from error
        _run("ip", "addr", "add", f"{self.here}/30", "dev", self._near)
        _run("ip", "link", "set", self._near, "up")
        self._over_there("ip", "addr", "add", f"{self.there}/30", "dev", self._far)
        self._over_there("ip", "link", "set", self._far, "up")
        self._over_there("ip", "link", "set", "lo", "up")
        self._cards = {
            "near": _run("cat", f"/sys/class/net/{self._near}/address"),
            "far": self._over_there("cat", f"/sys/class/net/{self._far}/address"),
        }

    def cut(self) -> None:
        """From now on every packet, both ways, is sent to nobody."""
        self._send_to(NOBODY, NOBODY)

    def heal(self) -> None:
        """Packets arrive again."""
        self._send_to(self._cards["far"], self._cards["near"])

    def remove(self) -> None:
        """Take it all down."""
        subprocess.run(["ip", "netns", "del", self._space], capture_output=True)
        subprocess.run(["ip", "link", "del", self._near], capture_output=True)

    def _send_to(self, far: str, near: str) -> None:
        _run("ip", "neigh", "replace", self.there, "lladdr", far, "dev", self._near, "nud", "permanent")
        self._over_there("ip", "neigh", "replace", self.here, "lladdr", near, "dev", self._far, "nud", "permanent")

    def _over_there(self, *command: str) -> str:
        return _run("ip", "netns", "exec", self._space, *command)


class Cuts:
    """The fault of networks."""

    def __init__(self, cables: Sequence[Cable]) -> None:
        self._cables = {cable.name: cable for cable in cables}

    def cut_off_and_healed(self, storm: Storm, host: Host) -> None:
        """A host's packets vanish until the others have taken its calls; then they arrive again,
        and it comes back.
        """
        cable = self._cables[host.name]
        cable.cut()
        try:
            storm.await_given_up(host)
        finally:
            cable.heal()
        wait_until(lambda: storm.ask(BACK, host.name), 120, f"{host.name} to come back")


@contextmanager
def cables(*names: str) -> Iterator[list[Cable]]:
    """Networks with these names. Raises NoNetworks."""
    laid = [Cable(name, number) for number, name in enumerate(names)]
    try:
        for cable in laid:
            cable.lay()
        yield laid
    finally:
        for cable in laid:
            cable.remove()


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=False).stdout.decode().strip()
