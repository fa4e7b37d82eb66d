"""Processes that own a private server, to be killed, and ways to look at that server from
outside.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from forecourt.database.cluster import Cluster
from forecourt.database.postmaster import Postmaster

OWNER = """
import json, sys
from pathlib import Path
from forecourt.database.private import PrivateServer
server = PrivateServer(Path(sys.argv[1]), durable=False)
say = lambda what: print(json.dumps(what), flush=True)
say(server.start())
for line in sys.stdin:
    exec(line)
    say("done")
"""


class Owner:
    """A process of its own that has started a private server, and does what it is told."""

    def __init__(self, root: Path, **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            **options,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def hear(self) -> Any:
        """The URL of its server first, then one answer a `tell`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the owner died"
        return json.loads(line)

    def tell(self, statement: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        return self.hear()

    def ask(self, expression: str) -> Any:
        answer = self.tell(f"say({expression})")
        self.hear()
        return answer

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def leave(self) -> int:
        """Let it end in peace."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        return self.process.wait()

    def close(self) -> None:
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def data_in(root: Path) -> Path:
    """The data directory of a private server."""
    [data] = root.glob("pg[0-9]*")
    return data


def postmaster_in(root: Path) -> int | None:
    """The process that serves it."""
    return Postmaster(Cluster(data_in(root))).pid()
