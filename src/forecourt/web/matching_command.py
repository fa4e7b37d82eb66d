"""The command that does with all calls that fit what a button does."""

from collections.abc import Mapping

from forecourt.operations.calls import Action
from forecourt.store.search import Search
from forecourt.web.templating import shell

FILTERS = ("q", "job", "queue", "error", "batch", "trace", "since", "from", "to")
"""The fields of a search beside its state."""

COMMANDS: dict[Action, str] = {"cancel": "cancel", "run-now": "run-now", "retry": "retry", "forget": "flush"}


def command(action: Action, typed: Mapping[str, str], search: Search) -> str:
    """As one types it: `typed` are the fields of the search as they were filled in. Empty where
    there is none: no command cancels or runs everything.
    """
    if not search.filters:
        return {"retry": "forecourt queue retry all", "forget": "forecourt queue flush"}.get(action, "")
    words = " ".join([typed.get("q", ""), *(f"{name}:{typed[name]}" for name in ("batch", "trace") if typed.get(name))])
    options = {
        "--state": search.state if action == "cancel" else None,
        "--match": words.strip(),
        **{f"--{name}": typed.get(name) for name in ("job", "queue", "error")},
        "--since": search.first and search.first.isoformat(timespec="seconds"),
        "--until": search.last and search.last.isoformat(timespec="seconds"),
    }
    given = [part for option, value in options.items() if value for part in (option, value)]
    return shell("forecourt", "queue", COMMANDS[action], *given)
