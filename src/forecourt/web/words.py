"""Figures and results as people read them."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from forecourt.language import gettext as _
from forecourt.language import isolated, language, listed, lookup, marked
from forecourt.schedule.task import Task
from forecourt.web import dates

KNOWN = (
    *(marked("expired"), marked("notifications"), marked("days"), marked("bytes"), marked("listings"), marked("photos")),
    *(marked("notified"), marked("uploads"), marked("unfinished"), marked("files"), marked("low"), marked("already told")),
    *(marked("deleted"), marked("spared"), marked("views"), marked("beat at"), marked("told"), marked("missing")),
    *(marked("suppressed"), marked("already settled"), marked("restored"), marked("rows"), marked("events")),
    *(marked("addresses"), marked("failed"), marked("queued"), marked("sent"), marked("pending"), marked("sending")),
    *(marked("filed"), marked("why"), marked("ids"), marked("until"), marked("minutes"), marked("name"), marked("role")),
    *(marked("ending"), marked("reminded"), marked("emptied"), marked("digests"), marked("hours")),
    *(marked("urls"), marked("rewritten"), marked("rows written")),
    *(marked("moved up"), marked("stats"), marked("kept")),
    *(marked("kind"), marked("task"), marked("group"), marked("job"), marked("queue"), marked("error"), marked("from")),
    *(marked("scopes"), marked("ends at"), marked("filter"), marked("before"), marked("new"), marked("value")),
    *(marked("worker"), marked("workflow"), marked("call")),
)  # fmt: skip
"""What the marketplace's duties count, the states of its mails, and what the audit names."""

BYTES = (
    marked("%(count)s B"),
    marked("%(count)s kB"),
    marked("%(count)s MB"),
    marked("%(count)s GB"),
    marked("%(count)s TB"),
)


def number(value: float) -> str:
    """1,204; 0.25."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def described(task: Task) -> str:
    """What a task does, as its application says it; in the reader's language where the catalogue
    has it.
    """
    return lookup(task.description) if task.description else ""


def capped(count: int, cap: int) -> str:
    """A count that was stopped at `cap`: "100,000+" beyond it."""
    return str(isolated(f"{cap:,}+")) if count > cap else f"{count:,}"


def percent(share: float | None) -> str:
    """ "2.5 %"; less than a tenth of one is more than none; a dash where there is nothing to have a
    share of.
    """
    if share is None:
        return "–"
    if 0 < share < 0.05:
        return str(isolated("<0.1 %"))
    return f"{share:.1f} %" if share % 1 and share < 10 else f"{share:.0f} %"


def size(count: float) -> str:
    """Bytes: "1.2 MB"."""
    power = 0
    while count >= 1000 and power < len(BYTES) - 1:
        count, power = count / 1000, power + 1
    figure = f"{count:,.0f}" if power == 0 or count >= 100 else f"{count:,.1f}"
    return lookup(BYTES[power]) % {"count": figure}


def did(output: Any) -> str:
    """What a run returned, as a person would say it: "225 expired, 200 notifications, 1.2 MB". What
    came to nothing is left out, unless everything did."""
    if output is None:
        return ""
    if not isinstance(output, Mapping):
        return str(output) if isinstance(output, str | int | float) else json.dumps(output, ensure_ascii=False)
    figures = {name: value for name, value in output.items() if value not in (None, [], {}, "")}
    notable = {name: value for name, value in figures.items() if value not in (0, False)} or figures
    return listed(_figure(name, value) for name, value in sorted(notable.items(), key=lambda pair: pair[0] == "bytes"))


def shown(value: Any, now: datetime) -> str:
    """What the audit keeps of an action: a list with commas, an instant by the reader's clock."""
    if isinstance(value, list):
        return listed(shown(one, now) for one in value)
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        return value
    return dates.clock(instant, now) if instant.tzinfo else value


def expected(outputs: Sequence[Any]) -> str:
    """What a run that has not come yet will probably do: the middle of what those before it did,
    two figures at most. Empty when they do not say, or when nothing is to be expected."""
    dicts = [output for output in outputs if isinstance(output, Mapping)]
    figures = []
    for name in dicts[0] if dicts else ():
        values = [one[name] for one in dicts if _is_figure(one.get(name))]
        if len(values) == len(dicts) and name != "bytes" and (middle := round(median(values))):
            figure = _counted(name.replace("_", " "), middle)
            figures.append(figure if len(set(values)) == 1 else _("about %(figure)s", figure=figure))
    return listed(figures[:2])


def _is_figure(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _figure(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if name == "bytes" and isinstance(value, int | float):
        return size(value)
    match value:
        case bool():
            return lookup(words) if value else _("no %(what)s", what=lookup(words))
        case int() | float():
            return _counted(words, value)
        case str():
            return f"{lookup(words)} {value}"
        case _:
            return f"{lookup(words)} {json.dumps(value, ensure_ascii=False)}"


def _counted(words: str, value: float) -> str:
    """ "1 listing", "3 listings"; in another language the name with its figure, since only English
    has its plural in the name.
    """
    if language() != "en":
        return f"{lookup(words)}: {number(value)}"
    one = value == 1 and words.endswith("s") and not words.endswith("ss")
    return f"{number(value)} {words[:-1] if one else words}"
