"""How `forecourt top` draws what it saw: with the words of the pages, as much as the terminal is
high.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.console import Group
from rich.table import Table
from rich.text import Text

from forecourt.durations import duration, relative
from forecourt.settings import settings
from forecourt.store.failure_kinds import Kind
from forecourt.store.standing import CAP, Standing
from forecourt.visible import visible
from forecourt.web.verdict import BEHIND, DEAD, Facts, verdict

LEAST = 3
"""Rows that each part gets however low the terminal is."""

BESIDE = 17
"""Lines that are no rows: the sentence, titles, headings."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One look: everything that the verdict is made of, what failed since midnight, and the next
    due time of each task.
    """

    facts: Facts
    kinds: Sequence[Kind]
    due: Sequence[tuple[datetime, str]]


def drawn(looked: Looked, height: int | None) -> Group:
    """The sentence, and below it four tables. `height`: lines of the terminal, None for all there
    is.
    """
    facts = looked.facts
    rows = None if height is None else max(LEAST, (height - BESIDE) // 4)
    judged = verdict(facts)
    colour = "green" if judged.worst is None else {"late": "yellow", "failed": "red"}[judged.worst.tone]
    here = facts.now.astimezone(settings().zone)
    return Group(
        Text.assemble(
            (visible(judged.sentence), f"bold {colour}"), (f"   {here:%H:%M:%S} {settings().timezone}", "dim")
        ),
        Text(visible(judged.under), style="dim"),
        *[Text(f"Also: {visible(trouble.words)}.", style="yellow") for trouble in judged.others[:LEAST]],
        _queues(facts.queues, rows),
        _slots(facts, rows),
        _due(looked.due, facts.now, rows),
        _failures(looked.kinds, facts.now, rows),
    )


def _queues(queues: Sequence[Standing], rows: int | None) -> Group:
    table = _table("queue", "waiting", "running", "later", "failed", "oldest", "workers", right=range(1, 7))
    busiest = sorted(queues, key=lambda queue: (-queue.ready, -queue.running, queue.queue))
    for queue in busiest[:rows]:
        late = queue.ready and (queue.oldest > BEHIND or not queue.workers)
        workers = "paused" if queue.paused_by is not None else str(queue.workers) if queue.workers else "nobody"
        oldest = duration(queue.oldest) if queue.ready else "–"
        cells = [
            visible(queue.queue),
            *map(_count, (queue.ready, queue.running, queue.scheduled, queue.failed)),
            oldest,
            workers,
        ]
        table.add_row(*map(Text, cells), style="yellow" if late or queue.paused_by is not None else None)
    return _titled("Queues", table, len(busiest) - table.row_count)


def _slots(facts: Facts, rows: int | None) -> Group:
    alive = [worker for worker in facts.workers if worker.silent <= DEAD]
    slots, busy = sum(worker.slots for worker in alive), sum(worker.busy for worker in alive)
    title = f"Slots: {busy} of {slots} busy, {len(alive)} worker{'' if len(alive) == 1 else 's'}"
    table = _table("job", "call", "since", "worker", "progress", right=(1, 2))
    runs = [(call, worker) for worker in facts.workers for call in worker.runs]
    runs.sort(key=lambda run: run[0].since)
    for call, worker in runs[:rows]:
        since = duration((facts.now - call.since).total_seconds())
        progress = call.words or (f"{call.done:g} of {call.total:g}" if call.done is not None and call.total else "")
        where = f"{worker.host}, process {worker.pid}"
        table.add_row(*map(Text, (visible(call.job), str(call.id), since, visible(where), visible(progress))))
    return _titled(title, table, len(runs) - table.row_count)


def _due(due: Sequence[tuple[datetime, str]], now: datetime, rows: int | None) -> Group:
    table = _table("task", "due", "")
    for at, task in due[:rows]:
        table.add_row(*map(Text, (visible(task), f"{at.astimezone(settings().zone):%a %H:%M:%S}", relative(at, now))))
    return _titled("Due next", table, len(due) - table.row_count)


def _failures(kinds: Sequence[Kind], now: datetime, rows: int | None) -> Group:
    table = _table("error", "job", "calls", "last", "what was wrong", right=(2,))
    for kind in kinds[:rows]:
        words = " ".join(kind.message.split())
        cells = (kind.error, kind.job, _count(kind.calls), relative(kind.last, now), words[:200])
        table.add_row(*(Text(visible(cell)) for cell in cells), style="red")
    return _titled("Failed for good since midnight", table, len(kinds) - table.row_count)


def _table(*headings: str, right: Sequence[int] = ()) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number in right else "left", no_wrap=True, overflow="ellipsis")
    return table


def _titled(title: str, table: Table, left_out: int) -> Group:
    """The table under its title, which says how many rows there is no room for, or that there are
    none.
    """
    more = f" ({left_out} more)" if left_out > 0 else "" if table.row_count else ": none"
    return Group(Text(f"\n{title}{more}", style="bold"), *([table] if table.row_count else []))


def _count(number: int) -> str:
    return f"{CAP:,}+" if number > CAP else f"{number:,}"
