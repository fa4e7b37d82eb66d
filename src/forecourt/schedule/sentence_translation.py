"""When a task is due, in the reader's language. The schedule says it in English; another language
gets it phrase by phrase.

The phrases of such a sentence stand in the same order in Arabic as in English: how often, on which
days, at what time. What cannot be said so is told as the cron expression, which every language
shares.
"""

import re
from collections.abc import Callable

from forecourt.language import comma, language, lookup, marked, some
from forecourt.schedule.task import Task

NAMES = (
    *(marked("Sundays"), marked("Mondays"), marked("Tuesdays"), marked("Wednesdays"), marked("Thursdays"), marked("Fridays")),
    marked("Saturdays"),
    *(marked("Sunday"), marked("Monday"), marked("Tuesday"), marked("Wednesday"), marked("Thursday"), marked("Friday")),
    marked("Saturday"),
    *(marked("January"), marked("February"), marked("March"), marked("April"), marked("May"), marked("June")),
    *(marked("July"), marked("August"), marked("September"), marked("October"), marked("November"), marked("December")),
    *(marked("Daily"), marked("Weekdays"), marked("weekdays"), marked("Weekends"), marked("weekends")),
    *(marked("Every second"), marked("Every minute"), marked("Every hour"), marked("Every odd hour")),
    *(marked("last day"), marked("last weekday"), marked("Last day"), marked("Last weekday"), marked("Last"), marked("last")),
    *(marked("from midnight"), marked("of the month"), marked("on the"), marked("and"), marked("or"), marked("at")),
    *(marked("on"), marked("in"), marked("of"), marked("from"), marked("to"), marked("Odd days"), marked("odd days")),
)  # fmt: skip
"""The longest first, where one begins like another."""

COUNTED = (
    (re.compile(r"at :(\d\d)"), marked("at minute %(count)s")),
    (re.compile(r":(\d\d)(?<!\d:\d\d)"), marked("minute %(count)s")),
    (re.compile(r"(\d+)(?:st|nd|rd|th)\b"), marked("day %(count)s")),
)

A_TIME = marked("every %(time)s")

EVERY: tuple[tuple[re.Pattern[str], Callable[[int], str]], ...] = (
    (re.compile(r"Every (\d+) seconds"), lambda count: some(count, "second", "seconds")),
    (re.compile(r"Every (\d+) minutes"), lambda count: some(count, "minute", "minutes")),
    (re.compile(r"Every (\d+) hours"), lambda count: some(count, "hour", "hours")),
)

WORD = re.compile(r"\b(?:" + "|".join(map(re.escape, sorted(NAMES, key=len, reverse=True))) + r")\b")


def of(task: Task) -> str:
    """ "Daily at 00:01"."""
    return translated(task.sentence, str(task.cron))


def translated(sentence: str, cron: str) -> str:
    """The sentence in the reader's language, or the cron expression when a word of it is not
    known.
    """
    if language() == "en":
        return sentence
    for each, unit in EVERY:
        sentence = each.sub(lambda found, unit=unit: lookup(A_TIME) % {"time": unit(int(found[1]))}, sentence)  # type: ignore[misc]
    for pattern, message in COUNTED:
        sentence = pattern.sub(lambda found, message=message: lookup(message) % {"count": found[1]}, sentence)  # type: ignore[misc]
    translated = WORD.sub(lambda found: lookup(found[0]), sentence).replace(", ", comma())
    translated = translated.replace(
        f" {lookup('and')} ", f" {lookup('and')}"
    )  # it is written in one with the word that follows
    return cron if re.search("[A-Za-z]", translated) else translated
