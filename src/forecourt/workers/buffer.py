"""Claimed calls that no slot has yet, in the order in which they will be handed out."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from forecourt.store.ready import Claimed
from forecourt.workers.bundle import LARGEST, size


class Buffer:
    """One line a queue; earlier queues go first, always."""

    def __init__(self, queues: Sequence[str]) -> None:
        self._lines: dict[str, deque[tuple[float, Claimed]]] = {queue: deque() for queue in queues}
        self._count = 0
        self.alone: set[int] = set()
        """Calls that run by themselves, until the guilty one of those that ran with them shows."""

    def __len__(self) -> int:
        return self._count

    def tokens(self) -> set[int]:
        """The run tokens of the calls that wait here."""
        return {call.token for line in self._lines.values() for _, call in line}

    def add(self, calls: Iterable[Claimed]) -> None:
        """Calls that were just claimed."""
        now = time.monotonic()
        for call in calls:
            self._lines[call.queue].append((now, call))
            self._count += 1

    def put_back(self, calls: Sequence[Claimed]) -> None:
        """Calls that a slot had not started: they are next again."""
        now = time.monotonic()
        for call in reversed(calls):
            self._lines[call.queue].appendleft((now, call))
        self._count += len(calls)

    def put_back_alone(self, calls: Sequence[Claimed]) -> None:
        """Calls that did not survive each other: each runs by itself now."""
        self.alone.update(call.id for call in calls)
        self.put_back(calls)

    def next_bundle(self, batch_of: Callable[[str], int]) -> list[Claimed]:
        """The next call, and for a batched job as many of its neighbours as may run with it; empty when there is none."""
        for line in self._lines.values():
            if line:
                return self._bundle(line, batch_of)
        return []

    def _bundle(self, line: deque[tuple[float, Claimed]], batch_of: Callable[[str], int]) -> list[Claimed]:
        _, first = line.popleft()
        bundle, room, most = [first], LARGEST - size(first), 1 if first.id in self.alone else batch_of(first.job)
        while len(bundle) < most and line:
            _, call = line[0]
            room -= size(call)
            if call.job != first.job or call.id in self.alone or room < 0:
                break
            bundle.append(call)
            line.popleft()
        self._count -= len(bundle)
        return bundle

    def take(self, ids: set[int]) -> list[Claimed]:
        """These calls, as far as they are here."""
        taken: list[Claimed] = []
        for line in self._lines.values():
            mine = [entry for entry in line if entry[1].id in ids]
            for entry in mine:
                line.remove(entry)
            taken += [call for _, call in mine]
        self._count -= len(taken)
        return taken

    def take_older_than(self, seconds: float) -> list[Claimed]:
        """Calls that have been waiting here for so long; 0 takes all."""
        oldest = time.monotonic() - seconds
        taken: list[Claimed] = []
        for line in self._lines.values():
            while line and line[0][0] <= oldest:
                taken.append(line.popleft()[1])
        self._count -= len(taken)
        self.alone.difference_update(call.id for call in taken)
        return taken
