"""`forecourt demo`: a marketplace made up from arithmetic, and one whole night of it."""

import click


@click.command()
def demo() -> None:
    """Let a whole night of a car marketplace pass, in up to two minutes, and report on it.

    The first time it makes the marketplace: 200 providers, 5,000 listings, 300,000 events. Then the
    real clock, queue and workers get everything to do at once. Again later it goes on with the same
    data. It needs a database of its own: the private PostgreSQL, or an empty one. Exits with 0 only
    if all went as promised.
    """
    import signal
    import sys
    import time

    from rich.console import Console

    from forecourt.cli.errors import Busy, Refused
    from forecourt.demo.display import display
    from forecourt.demo.night import pass_night
    from forecourt.demo.processes import ProcessEnded
    from forecourt.demo.render import render, width
    from forecourt.demo.report import report_on
    from forecourt.demo.seed import NotTheDemos, Scale
    from forecourt.demo.staff import Occupied

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)  # a Ctrl-C, so that nothing is left behind
    begun = time.monotonic()
    console = Console()
    console = Console(width=width(console))
    try:
        with display(console) as shown:
            night = pass_night(Scale(), shown)
    except NotTheDemos as refusal:
        raise Refused(str(refusal)) from None
    except Occupied as held:
        raise Busy(str(held)) from None
    except ProcessEnded as ended:
        raise click.ClickException(str(ended)) from None
    report = report_on(night)
    render(report, console, time.monotonic() - begun)
    sys.exit(1 if report.off else 0)
