"""`forecourt completion`: the shell completes commands and options."""

import os
from pathlib import Path

import click

from forecourt.cli.console import say

PLACES = {
    "bash": "bash-completion/completions/forecourt",
    "zsh": "zsh/site-functions/_forecourt",
    "fish": "fish/vendor_completions.d/forecourt.fish",
}
"""Where each shell looks below the user's data folder."""

AFTERWARDS = {
    "bash": "It works in new shells, where the package bash-completion is installed.",
    "zsh": "It works in new shells, where .zshrc says before compinit: fpath+=({folder})",
    "fish": "It works in new shells.",
}


@click.command()
@click.argument("shell", type=click.Choice(list(PLACES)), required=False)
@click.option("--install", is_flag=True, help="Write it to where the shell looks, instead of printing it.")
def completion(shell: str | None, install: bool) -> None:
    """Print the script that completes `forecourt` in SHELL, which is yours unless you name one; or
    install it.
    """
    from click.shell_completion import get_completion_class

    from forecourt.cli import forecourt

    chosen = shell or Path(os.environ.get("SHELL", "")).name
    if chosen not in PLACES:
        raise click.UsageError(f"your shell is {chosen or 'unknown'}; name one of {', '.join(PLACES)}")
    kind = get_completion_class(chosen)
    assert kind is not None
    script = kind(forecourt, {}, "forecourt", "_FORECOURT_COMPLETE").source()
    if not install:
        click.echo(script)
        return
    base = os.environ.get("XDG_DATA_HOME", "")
    path = (Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share") / PLACES[chosen]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(script)
    say(f"Written to {path}. {AFTERWARDS[chosen].format(folder=path.parent)}")
