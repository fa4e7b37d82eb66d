"""Tracebacks as people read them: their own code's frames, with a word on those that were left
out.
"""

import re
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NamedTuple

OURS = re.compile(r"forecourt(\.(?!marketplace\b|demo\b)|$)")
"""The engine's modules; the marketplace is an application."""

FRAME = re.compile(r'([ |+]*)File "(.*)", line \d+, in ')
LIBRARY = re.compile(
    r"[/\\](site-packages|dist-packages|lib[/\\]python3\.\d+)[/\\](?!site-packages|forecourt[/\\]marketplace)|^<frozen "
)
"""Where the code of others lies."""


class Shown(NamedTuple):
    """A traceback without the frames of libraries, and how many these were."""

    text: str
    left_out: int


class _Frames(traceback.StackSummary):
    """Frames of which the first were left out."""

    left_out = 0

    def format(self, **how: Any) -> list[str]:
        """As text, with a line in place of those."""
        frames = "1 frame" if self.left_out == 1 else f"{self.left_out} frames"
        return [f"  ({frames} of forecourt left out)\n", *super().format(**how)]


def of(error: BaseException) -> str:
    """An exception's traceback, from the first frame that is not the engine's; all of it when the
    engine alone was at work."""
    first, left_out = error.__traceback__, 0
    while first is not None and _is_ours(first):
        first, left_out = first.tb_next, left_out + 1
    if first is None or not left_out:
        return "".join(traceback.format_exception(error))
    summary = traceback.TracebackException(type(error), error, first)
    frames = _Frames(summary.stack)
    frames.left_out = left_out
    summary.stack = frames
    return "".join(summary.format())


def without_libraries(text: str) -> Shown:
    """The same of a traceback as text, for whoever looks for what is theirs. One that has only
    libraries' frames stays as it is."""
    kept: list[str] = []
    left_out = shown = 0
    for is_frame, lines in _pieces(text.splitlines()):
        if is_frame and LIBRARY.search(_file(lines[0])):
            left_out += 1
            continue
        shown += is_frame
        kept += lines
    return Shown("\n".join(kept), left_out) if shown and left_out else Shown(text, 0)


def _is_ours(frame: TracebackType) -> bool:
    return OURS.match(frame.tb_frame.f_globals.get("__name__") or "") is not None


def _file(line: str) -> str:
    found = FRAME.match(line)
    return "" if found is None else found[2]


def _pieces(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Each frame with the lines of its source, each other line by itself."""
    at = 0
    while at < len(lines):
        found, end = FRAME.match(lines[at]), at + 1
        while found and end < len(lines) and lines[end].startswith(f"{found[1]}  "):
            end += 1
        yield found is not None, lines[at:end]
        at = end
