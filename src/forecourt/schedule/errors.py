"""What can be wrong with a timetable."""


class TimetableError(ValueError):
    """A timetable that cannot be followed. `mistakes` holds a line for each: the task, where it was
    added, and why.
    """

    def __init__(self, *mistakes: str) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


class UnknownTaskError(KeyError):
    """No task of the timetable has this name. The message offers the nearest names."""

    def __str__(self) -> str:
        # KeyError would show the repr of its message.
        return str(self.args[0])
