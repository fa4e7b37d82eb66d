"""The processes that descend from another, found in /proc, so that a test can see whether any of
them was left behind.
"""

from pathlib import Path


def descendants(pid: int) -> set[int]:
    """All that live now: children, their children, and so on, in whatever group or session."""
    parents = {
        int(stat.parent.name): int(fields[1]) for stat in Path("/proc").glob("[0-9]*/stat") if (fields := _read(stat))
    }
    found: set[int] = set()
    generation = {pid}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation}
        found |= generation
    return found


def alive(pids: set[int]) -> set[int]:
    """Those that still run; a zombie does not."""
    return {pid for pid in pids if (fields := _read(Path(f"/proc/{pid}/stat"))) and fields[0] != "Z"}


def command_of(pid: int) -> bytes:
    """As it was started; nothing when it is gone, as the `sleep` of a loop is in no time."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def _read(stat: Path) -> list[str]:
    """The fields after the command's name: state, parent, …; none when the process is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
