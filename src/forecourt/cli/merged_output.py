"""What several processes say, on one standard output, with the name of who said it."""

import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import BinaryIO

import click
import orjson

from forecourt.cli.console import lead_nowhere

COLOURS = ("cyan", "green", "magenta", "yellow", "blue")


class MergedOutput:
    """Writes lines in the order in which they come, whole and unchanged but for the speaker's name.

    For people the name stands before the line: `clock  | task enqueued`. As JSON it is the line's
    first key, `process`, and what is not JSON becomes it, so that every line can be parsed.
    """

    def __init__(self, names: Sequence[str], output: BinaryIO, *, as_json: bool) -> None:
        self._output = output
        self._as_json = as_json
        self._heads = self._prefixes(names)
        self.is_cut = False
        """Whether nobody reads the output any more. What is said from then on is lost."""

    def add(self, name: str, lines: Iterable[bytes]) -> None:
        """Write what `name` said, without the line ends."""
        say = self._json_line if self._as_json else self._plain_line
        try:
            self._output.write(b"".join(say(name, line) for line in lines))
            self._output.flush()
        except OSError:  # a closed pipe, or a terminal that hung up
            self.is_cut = True
            lead_nowhere(self._output)

    def _plain_line(self, name: str, line: bytes) -> bytes:
        return self._heads[name] + line.rstrip(b"\r") + b"\n"

    def _json_line(self, name: str, line: bytes) -> bytes:
        if line.startswith(b'{"') and line.endswith(b"}"):
            return b'{"process":"%s",%s\n' % (name.encode(), line[1:])
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        said = line.decode(errors="replace")
        return orjson.dumps({"process": name, "time": time, "event": said}, option=orjson.OPT_APPEND_NEWLINE)

    def _prefixes(self, names: Sequence[str]) -> dict[str, bytes]:
        width = max(map(len, names))
        coloured = self._output.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        heads = {}
        for number, name in enumerate(names):
            head = f"{name:<{width}} |"
            heads[name] = f"{click.style(head, fg=COLOURS[number % len(COLOURS)]) if coloured else head} ".encode()
        return heads
