"""Why something is not answered, for a program over HTTP and for a command alike."""


class Refusal(Exception):
    """Nothing was done; the message says why."""

    status: int


class NotFound(Refusal):
    """What was named does not exist, or not any more."""

    status = 404


class Conflict(Refusal):
    """Somebody else is at it, or it stands against what there is."""

    status = 409


class Unreadable(Refusal):
    """What was asked for means nothing, or cannot be."""

    status = 422
