"""Somebody who follows the README of an example."""

import re
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from fleet import Looking, wait_until

SERVERS = {"forecourt up": "worker started", "uvicorn ": "startup complete", "flask --app": "Running on"}
"""What stays until it is told to stop, and what shows that it works."""


@dataclass
class Newcomer:
    """Somebody in a copy of an example's folder, with nothing in the environment but where
    PostgreSQL is.
    """

    folder: Path
    looking: Looking
    environment: dict[str, str]
    ports: dict[str, str] = field(default_factory=dict)
    servers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def follow(self) -> list[str]:
        """Type every line of the README, and return what each printed. What it needs is installed
        already.
        """
        blocks = re.findall(r"```console\n(.*?)```", (self.folder / "README.md").read_text(), re.DOTALL)
        lines = [line for block in blocks for line in re.findall(r"^\$ (.*)$", block, re.MULTILINE)]
        return [self.type(line) for line in lines if not line.startswith("pip install ")]

    def type(self, line: str, code: int = 0) -> str:
        """Type a line, and return what it printed; a server goes on in the background."""
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = value
            return ""
        line = re.sub(r"\b800\d\b", lambda port: self.ports.setdefault(port[0], free_port()), line)
        if sign := next((sign for server, sign in SERVERS.items() if server in line), None):
            return self._serve(line, sign)
        done = subprocess.run(
            ["bash", "-c", line], cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == code, f"{line}\n{done.stdout}{done.stderr}"
        return done.stdout

    def refused(self, command: str, code: int, **settings: str) -> str:
        """Type a command of ours that ends with this code, and return its words."""
        done = subprocess.run(
            ["forecourt", *command.split()],
            cwd=self.folder, env=self.environment | settings, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == code, f"{command}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr, done.stderr
        return done.stderr

    def _serve(self, line: str, sign: str) -> str:
        log = self.folder / f"server-{len(self.servers)}.log"
        with log.open("wb") as said:
            self.servers.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {line}"], cwd=self.folder, env=self.environment, stdout=said, stderr=said
                )
            )
        try:
            wait_until(lambda: sign in log.read_text(), timeout=90)
        except AssertionError:
            raise AssertionError(f"{line}: no {sign!r} in\n{log.read_text()}") from None
        return log.read_text()


def free_port() -> str:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return str(unused.getsockname()[1])
