"""`forecourt report`: the night in a terminal, for whoever slept."""

from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import click

from forecourt.cli.console import duration, json_option, print_json, print_table, say, transaction

if TYPE_CHECKING:
    from forecourt.web.nights import Duty


@click.command()
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="Of this business day instead of today.")
@json_option
def report(day: datetime | None, as_json: bool) -> None:
    """What each duty of the night did, what was late, slow or failed, which calls failed, and what is still to come."""
    from forecourt.app import load
    from forecourt.settings import settings
    from forecourt.store import failure_kinds, tasks
    from forecourt.web.facts import gather, midnight
    from forecourt.web.nights import duties, span
    from forecourt.web.verdict import verdict

    app, zone = load(), settings().zone
    with transaction() as tx:
        now = tasks.now(tx)
        today = midnight(now).date()
        chosen = today if day is None else day.date()
        first = datetime.combine(chosen, time(), zone)
        last = datetime.combine(chosen + timedelta(days=1), time(), zone)
        found = duties(tx, app.schedule(tx), span(chosen, last, zone), now)
        kinds = failure_kinds.kinds(tx, since=first, until=last, limit=50)
        sentence = verdict(gather(tx, app, now)[0]) if chosen == today else None
    rows = [row for duty in found for row in _rows(duty, now)]
    if as_json:
        print_json(
            {
                "date": str(chosen),
                "sentence": None if sentence is None else sentence.sentence,
                "duties": rows,
                "failures": [
                    {"error": kind.error, "job": kind.job, "calls": kind.calls, "last": kind.last} for kind in kinds
                ],
            }
        )
        return
    if sentence is not None:
        colour = "green" if sentence.worst is None else {"late": "yellow", "failed": "red"}[sentence.worst.tone]
        say(sentence.sentence, bold=True, fg=colour)
        say(sentence.under)
        for trouble in sentence.others:
            say(f"Also: {trouble.words}.")
        say("")
    _print(rows, chosen)
    if kinds:
        say("")
        print_table(
            ["failed", "job", "calls", "what was wrong"],
            [[kind.error, kind.job, kind.calls, kind.message[:80]] for kind in kinds],
            empty="",
        )


def _rows(duty: "Duty", now: datetime) -> list[dict[str, Any]]:
    from forecourt.web import words

    usual = duty.usual
    if duty.often:
        wrong = [run for run in duty.runs if run.status not in ("succeeded", "enqueued")]
        did = f"{len(duty.runs)} runs looked at, {len(wrong)} not well"
        return [_row(duty, duty.runs[-1].due_at if duty.runs else None, duty.standing(now), None, usual, did)]
    ran = [
        _row(
            duty, run.due_at,
            duty.standing(now) if run is duty.latest else "slow" if duty.is_slow(run) else run.status,
            run.seconds, usual, run.why or words.did(run.output),
        )
        for run in duty.runs
    ]  # fmt: skip
    to_come = [_row(duty, at, "paused" if duty.pause else "to come", None, usual, duty.expected) for at in duty.to_come]
    return ran + to_come


def _row(
    duty: "Duty", due: datetime | None, state: str, took: float | None, usual: float | None, did: str
) -> dict[str, Any]:
    return {"task": duty.task.name, "due": due, "state": state, "took": took, "usually": usual, "did": did}


def _print(rows: list[dict[str, Any]], day: date) -> None:
    from forecourt.settings import settings

    def long(seconds: float | None) -> str | None:
        return None if seconds is None else duration(seconds)

    print_table(
        ["due", "duty", "state", "took", "usually", "what it did"],
        [
            [
                None if row["due"] is None else f"{row['due'].astimezone(settings().zone):%H:%M}",
                row["task"], row["state"], long(row["took"]), long(row["usually"]), " ".join(row["did"].split())[:100],
            ]
            for row in rows
        ],
        empty=f"Nothing was due on {day}, and nothing ran.",
    )  # fmt: skip
