"""Writes docs/reference from the code: every command with its options, every setting, and the
licence of everything that an installation brings. `make reference` runs it."""

import ast
import inspect
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import fields
from importlib.metadata import metadata, requires
from pathlib import Path

import click
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from forecourt import settings as module
from forecourt.cli import forecourt
from forecourt.settings import PREFIX, Settings

FOLDER = Path(__file__).parent.parent / "reference"

WRITTEN = "<!-- Written from the code by `make reference`. -->\n"

LICENCES = """# Licences

What `forecourt[all]` brings on Linux, and under which licence, as the packages say.
[Why each is there](../decisions/dependencies.md).

"""


def commands() -> str:
    """Every command, in the order in which the command line shows them."""
    parts = [f"{WRITTEN}# Commands\n"]
    with click.Context(forecourt, info_name="forecourt") as context:
        for path, command in _walked(forecourt, context, ["forecourt"]):
            level = min(len(path), 3)
            parts.append(f"{'#' * level} {' '.join(path)}\n\n{_described(command, context)}")
    return "\n".join(parts)


def settings() -> str:
    """Every setting, with what its docstring says."""
    said = _docstrings()
    parts = [
        f"{WRITTEN}# Settings\n\nVariables win over `.env`, and `.env` over the defaults; empty means the default.\n"
    ]
    for field in fields(Settings):
        default = "none" if field.default in (None, "") else f"`{field.default}`"
        words = said.get(field.name, "")
        parts.append(f"## {PREFIX}{field.name.upper()}\n\n{words}\n\nDefault: {default}\n".replace("\n\n\n", "\n"))
    return "\n".join(parts)


def _walked(
    command: click.Command, context: click.Context, path: list[str]
) -> Iterator[tuple[list[str], click.Command]]:
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield [*path, name], found
        yield from _walked(found, context, [*path, name])


def _described(command: click.Command, context: click.Context) -> str:
    words = _escaped(inspect.cleandoc(command.help or "").replace("\b\n", ""))
    arguments = " ".join(
        parameter.make_metavar(context) for parameter in command.params if isinstance(parameter, click.Argument)
    )
    lines = [words, ""]
    if arguments:
        lines += [f"Arguments: `{arguments}`", ""]
    options = [
        parameter for parameter in command.params if isinstance(parameter, click.Option) and not parameter.hidden
    ]
    if options:
        lines += ["| option | means |", "| --- | --- |"]
        for option in options:
            names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
            help_ = option.get_help_record(context)
            lines.append(f"| {names} | {_escaped(help_[1] if help_ else '').replace('|', chr(92) + '|')} |")
        lines.append("")
    return "\n".join(lines)


def _docstrings() -> dict[str, str]:
    """What stands below each field of the class: Python itself forgets it."""
    tree = ast.parse(inspect.getsource(module))
    [found] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Settings"]
    said = {}
    for field, after in zip(found.body, found.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(after, ast.Expr):
            assert isinstance(after.value, ast.Constant)
            said[field.target.id] = _escaped(inspect.cleandoc(str(after.value.value)))
    return said


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("*", "&#42;")


def licences() -> str:
    """Everything that `pip install 'forecourt[all]'` brings, whoever asked for it."""
    rows = []
    project = tomllib.loads((FOLDER.parent.parent / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    ours = [*project["dependencies"], *extras["local"], *extras["marketplace"]]
    for name in sorted(_brought(ours, frozenset({"", "binary"}), set())):
        told = metadata(name)
        said = told.get("License-Expression") or _classified(told.get_all("Classifier") or []) or told.get("License")
        rows.append(f"| {name} | {(said or 'see the package').splitlines()[0]} |")
    return f"{WRITTEN}{LICENCES}| package | licence |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def _brought(wanted: Iterable[str], extras: frozenset[str], known: set[str]) -> set[str]:
    """These, and what they bring. psycopg alone is asked for with an extra, `binary`."""
    for requirement in map(Requirement, wanted):
        marker, name = requirement.marker, canonicalize_name(requirement.name)
        if name not in known and (marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)):
            known.add(name)
            _brought(requires(name) or (), extras if name == "psycopg" else frozenset({""}), known)
    return known


def _classified(classifiers: list[str]) -> str | None:
    found = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith("License ::")]
    return ", ".join(found) or None


PAGES = {"commands.md": commands, "settings.md": settings, "licences.md": licences}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, written in PAGES.items():
        (FOLDER / name).write_text(written())
