"""Slot markers: what each slot of a worker holds, runs and has ended, on pages that outlive it.

A slot writes, and everybody else reads: its supervisor, to enforce deadlines; its successor, to
write the ends that it could not write any more and to know whom to blame; and whoever rescues the
calls of a worker that was killed as a whole. A mapped page costs a slot a store a word, and is
there after any kind of death.

    a slot's pages:  words, of which the first are its state
                     rows, one a call that it holds: id, token, began, deadline, state
                     a journal: the outcomes, one JSON line each, that are more than "it finished"
"""

import mmap
import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from forecourt.settings import settings

SIGNATURE = b"4court2\n"
"""What the file begins with, so that nothing else is taken for one."""
PATTERN = re.compile(r"marks-\d+-\d+")

MOST_CALLS = 2048
"""Calls that a slot holds at once."""
JOURNAL = 192 * 1024
"""Bytes of outcomes that a slot may have unwritten."""
NEARLY_FULL = JOURNAL - 96 * 1024
"""From here on the next outcome may find no room: its result or traceback, and its log, are each
cut to 16,384 characters before."""

HEADER = 16
WIDTH = 5
WORD = 8
WORDS = HEADER + MOST_CALLS * WIDTH
SIZE = WORDS * WORD + JOURNAL

# The words of the header. A slot's: how many rows are in use; between which of them calls are
# running; bytes of the journal; how many attempts have ended, and calls been claimed, in all; ends
# that are not written to the database yet; how often it became idle, having found nothing to claim;
# how often a claim was cut off by its limit; and how many estates were settled.
HELD, LOW, HIGH, WRITTEN, ENDED, CLAIMED, UNWRITTEN, IDLE, CUT_OFF, SETTLED = range(10)
# Its supervisor's: how many calls it may claim in all, -1 for any number; whether it is to end; and
# whether others are idle.
ALLOWED, STOP, WANTED = range(10, 13)
# The process whose calls are on the page: not its successor's, until that has settled them.
PID = 13
# The words of a row.
ID, TOKEN, BEGAN, DEADLINE, OUTCOME = range(WIDTH)
# What the last two bits of OUTCOME say: not over; returned nothing; its end is committed already;
# or the journal tells. Above them are the nanoseconds that it took.
OPEN, FINISHED, COMMITTED, JOURNALED = range(4)


class Marked(NamedTuple):
    """A call as its slot's page has it. `began` and `deadline` in nanoseconds of the monotonic
    clock, 0 for not or none.
    """

    id: int
    token: int
    began: int
    deadline: int
    outcome: int

    @property
    def state(self) -> int:
        """OPEN, FINISHED, COMMITTED or JOURNALED."""
        return self.outcome & 3

    @property
    def seconds(self) -> float:
        """How long it took, once it is over."""
        return (self.outcome >> 2) / 1e9


class Page:
    """One slot's page."""

    def __init__(self, pages: mmap.mmap, number: int) -> None:
        begin = len(SIGNATURE) + number * SIZE
        view = memoryview(pages)
        self.words = view[begin : begin + WORDS * WORD].cast("q")
        self.journal = view[begin + WORDS * WORD : begin + SIZE]

    def open(self, row: int, id: int, token: int) -> None:
        """Note a call that was claimed."""
        at = HEADER + row * WIDTH
        words = self.words
        words[at + OUTCOME] = OPEN
        words[at + BEGAN] = 0
        words[at] = id
        words[at + TOKEN] = token

    def begin(self, row: int, now: int, deadline: int) -> None:
        """Note that a call begins, before it does."""
        at = HEADER + row * WIDTH
        self.words[at + DEADLINE] = deadline
        self.words[at + BEGAN] = now

    def end(self, row: int, state: int, nanoseconds: int) -> None:
        """Note that a call is over; what is in the journal must be there already."""
        self.words[HEADER + row * WIDTH + OUTCOME] = nanoseconds << 2 | state

    def write(self, line: bytes) -> bool:
        """Add a line to the journal. False when there is no room."""
        begin = self.words[WRITTEN]
        if begin + len(line) > JOURNAL:
            return False
        self.journal[begin : begin + len(line)] = line
        self.words[WRITTEN] = begin + len(line)
        return True

    def clear(self) -> None:
        """Forget all calls: their ends are written, or somebody else's."""
        words = self.words
        words[HELD] = words[LOW] = words[HIGH] = words[WRITTEN] = words[UNWRITTEN] = 0

    def held(self) -> list[Marked]:
        """Every call that the slot holds, or held when it died."""
        return self._rows(0, self.words[HELD])

    def running(self) -> list[Marked]:
        """The calls that it is running."""
        rows = self._rows(self.words[LOW], self.words[HIGH])
        return [marked for marked in rows if marked.began and marked.state == OPEN]

    def _rows(self, low: int, high: int) -> list[Marked]:
        words = self.words[HEADER + low * WIDTH : HEADER + min(high, MOST_CALLS) * WIDTH].tolist()
        return [Marked._make(words[at : at + WIDTH]) for at in range(0, len(words), WIDTH)]

    def journaled(self) -> list[bytes]:
        """The journal's lines."""
        return bytes(self.journal[: min(self.words[WRITTEN], JOURNAL)]).splitlines()


class Markers:
    """The file with the pages of a worker's slots."""

    def __init__(self, path: Path, slots: int) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        size = len(SIGNATURE) + slots * SIZE
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        """The open file's, for the slots' processes."""
        try:
            os.write(self.descriptor, SIGNATURE)
            # Not truncated to size: a store into a hole for which the disk has no room would kill
            # the slot.
            os.posix_fallocate(self.descriptor, 0, size)
        except OSError as error:  # each try would leave a file behind
            self.remove()
            raise OSError(error.errno, f"{error.strerror}, {size:,} bytes are needed", str(path)) from None
        pages = mmap.mmap(self.descriptor, size)
        self.pages = [Page(pages, number) for number in range(slots)]

    def remove(self) -> None:
        """Remove the file. The worker that ends in order does this last."""
        self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def page_of(descriptor: int, number: int) -> Page:
    """A slot's page, in the slot's process, which was given the file's descriptor."""
    with open(descriptor, "r+b") as file:
        return Page(mmap.mmap(file.fileno(), 0), number)


def folder() -> Path:
    """Where the workers of this FORECOURT_VAR leave their markers."""
    return (settings().var / "run").absolute()


def file_of(name: str) -> Path | None:
    """The file that a worker's row names, wherever it lies on this host, if markers are what it is:
    a row says what whoever wrote it likes."""
    path = Path(name)
    return path if PATTERN.fullmatch(path.name) and _begins(path) else None


def forget(path: Path | None) -> None:
    """Remove a lost worker's file; another user's stays."""
    if path is not None:
        with suppress(OSError):
            path.unlink()


def begun(path: Path | None, slots: int) -> dict[int, list[Marked]]:
    """Of each slot of a worker that has ended, the calls that it had begun, over or not; nothing
    when there is no such file.
    """
    if path is None:
        return {}
    try:
        with open(_plain(path), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            most = min(slots, (len(mapped) - len(SIGNATURE)) // SIZE)
            return {number: _begun_of(mapped, number) for number in range(most)}
    except (OSError, ValueError):
        return {}


def _begun_of(mapped: mmap.mmap, number: int) -> list[Marked]:
    page = Page(mapped, number)
    try:
        return [marked for marked in page.held() if marked.began]
    finally:
        page.words.release()
        page.journal.release()


def _begins(path: Path) -> bool:
    """Whether a plain file begins as markers do."""
    try:
        with open(_plain(path), "rb") as file:
            return stat.S_ISREG(os.fstat(file.fileno()).st_mode) and file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def _plain(path: Path) -> int:
    """A descriptor of that very file: no link is followed, no pipe waited for."""
    return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
