"""How `forecourt top` draws what it saw: with the words of the pages, as much as the terminal is
high.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

from rich.console import Group
from rich.table import Table
from rich.text import Text

from forecourt.doctor.work import DEAD
from forecourt.durations import duration, relative
from forecourt.settings import settings
from forecourt.store.activity import Worker
from forecourt.store.failure_kinds import Kind
from forecourt.store.standing import CAP, Standing
from forecourt.visible import visible
from forecourt.web.api.top import Look, Next

LEAST = 3
"""Rows that each part gets however low the terminal is."""

BESIDE = 17
"""Lines that are no rows: the sentence, titles, headings."""


def drawn(look: Look, height: int | None) -> Group:
    """The sentence, and below it four tables. `height`: lines of the terminal, None for all there
    is.
    """
    rows = None if height is None else max(LEAST, (height - BESIDE) // 4)
    colour = {"well": "green", "late": "yellow", "failed": "red"}[look.tone]
    zone = ZoneInfo(look.timezone)
    return Group(
        Text.assemble(
            (visible(look.sentence), f"bold {colour}"),
            (f"   {look.now.astimezone(zone):%H:%M:%S} {look.timezone}", "dim"),
        ),
        Text(visible(look.under), style="dim"),
        *[Text(f"Also: {visible(words)}.", style="yellow") for words in look.others[:LEAST]],
        _queues(look.queues, rows),
        _slots(look.workers, look.now, rows),
        _due(look.due, zone, look.now, rows),
        _failures(look.failures, look.now, rows),
    )


def _queues(queues: Sequence[Standing], rows: int | None) -> Group:
    table = _table(
        "queue", "waiting", "running", "later", "failed", "oldest", "workers", right=range(1, 7), gives_way=0
    )
    busiest = sorted(queues, key=lambda queue: (-queue.ready, -queue.running, queue.queue))
    for queue in busiest[:rows]:
        late = queue.ready and (queue.oldest > settings().queue_limit(queue.queue) or not queue.workers)
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


def _slots(workers: Sequence[Worker], now: datetime, rows: int | None) -> Group:
    alive = [worker for worker in workers if worker.silent <= DEAD]
    slots, busy = sum(worker.slots for worker in alive), sum(worker.busy for worker in alive)
    title = f"Slots: {busy} of {slots} busy, {len(alive)} worker{'' if len(alive) == 1 else 's'}"
    table = _table("job", "call", "since", "worker", "progress", right=(1, 2))
    runs = [(call, worker) for worker in workers for call in worker.runs]
    runs.sort(key=lambda run: run[0].since)
    for call, worker in runs[:rows]:
        since = duration((now - call.since).total_seconds())
        progress = call.words or (f"{call.done:g} of {call.total:g}" if call.done is not None and call.total else "")
        where = f"{worker.host}, process {worker.pid}"
        table.add_row(*map(Text, (visible(call.job), str(call.id), since, visible(where), visible(progress))))
    return _titled(title, table, len(runs) - table.row_count)


def _due(due: Sequence[Next], zone: ZoneInfo, now: datetime, rows: int | None) -> Group:
    table = _table("task", "due", "")
    for one in due[:rows]:
        at = f"{one.at.astimezone(zone):%a %H:%M:%S}"
        table.add_row(*map(Text, (visible(one.task), at, relative(one.at, now))))
    return _titled("Due next", table, len(due) - table.row_count)


def _failures(kinds: Sequence[Kind], now: datetime, rows: int | None) -> Group:
    table = _table("error", "job", "calls", "last", "what was wrong", right=(2,))
    for kind in kinds[:rows]:
        words = " ".join(kind.message.split())
        cells = (kind.error, kind.job, _count(kind.calls), relative(kind.last, now), words[:200])
        table.add_row(*(Text(visible(cell)) for cell in cells), style="red")
    return _titled("Failed for good since midnight", table, len(kinds) - table.row_count)


def _table(*headings: str, right: Sequence[int] = (), gives_way: int | None = None) -> Table:
    """`gives_way`: the column that is cut first where all do not fit, of names without a space."""
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim")
    for number, heading in enumerate(headings):
        side: Literal["left", "right"] = "right" if number in right else "left"
        table.add_column(heading, justify=side, no_wrap=number != gives_way, overflow="ellipsis")
    return table


def _titled(title: str, table: Table, left_out: int) -> Group:
    """The table under its title, which says how many rows there is no room for, or that there are
    none.
    """
    more = f" ({left_out} more)" if left_out > 0 else "" if table.row_count else ": none"
    return Group(Text(f"\n{title}{more}", style="bold"), *([table] if table.row_count else []))


def _count(number: int) -> str:
    return f"{CAP:,}+" if number > CAP else f"{number:,}"
