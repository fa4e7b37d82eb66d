"""What checks are called, for whoever reads of them in a mail, in a report or on a page."""

from forecourt.language import lookup, marked


def called(check: str) -> str:
    """What a check is called in the reader's language: a queue's or a task's holds its name, and
    one for what a day brought the day.
    """
    kind, _, name = check.partition(" ")
    if kind in (marked("queue"), marked("task"), marked("late"), marked("failure"), marked("twins")) and name:
        return f"{lookup(kind)} {name}"
    return lookup(check)
