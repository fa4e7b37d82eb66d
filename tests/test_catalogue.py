"""The catalogue of a language is read as gettext's own tools read it, and what is none is refused
by its line.
"""

from datetime import date, timedelta
from gettext import GNUTranslations
from io import BytesIO
from pathlib import Path

import pytest
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from forecourt import catalogue
from forecourt.language import FOLDER, speaking
from forecourt.web import dates


def compiled_by_babel(path: Path) -> GNUTranslations:
    compiled = BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file))
    compiled.seek(0)
    return GNUTranslations(compiled)


def test_every_message_is_read_as_babel_reads_it() -> None:
    ours, theirs = catalogue.read(FOLDER / "ar.po"), compiled_by_babel(FOLDER / "ar.po")
    with (FOLDER / "ar.po").open("rb") as file:
        messages = [message for message in read_po(file) if message.id]
    assert len(messages) > 500
    for message in messages:
        if isinstance(message.id, str):
            assert ours.gettext(message.id) == theirs.gettext(message.id) != ""
        else:
            forms = [(*message.id, count) for count in (0, 1, 2, 3, 11, 100)]
            assert [ours.npgettext("count", *form) for form in forms] == [
                theirs.npgettext("count", *form) for form in forms
            ]


def test_quotes_line_ends_and_texts_over_several_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "xx.po"
    path.write_text(
        'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=UTF-8\\n"\n\n# a remark\n'
        'msgid "say \\"%(what)s\\"\\n"\nmsgstr ""\n"one\\\\"\n"two\\t"\n\n\n\nmsgctxt "key"\nmsgid "left"\nmsgstr "links"'
    )
    ours = catalogue.read(path)
    assert ours.gettext('say "%(what)s"\n') == compiled_by_babel(path).gettext('say "%(what)s"\n') == "one\\two\t"
    assert ours.pgettext("key", "left") == "links"
    assert ours.gettext("left") == "left"


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "xx.po"
    path.write_text('msgid "a"\nmsgstr "b\n')
    with pytest.raises(ValueError, match=r"xx\.po, line 2: 'msgstr \"b' is no line of a catalogue"):
        catalogue.read(path)


def test_months_and_weekdays_are_those_of_the_unicode_consortium() -> None:
    days = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]
    with speaking("ar"):
        assert [dates.weekday(day) for day in days] == [
            f"{format_date(day, 'EEE', locale='ar')} {day:%d} {format_date(day, 'MMM', locale='ar')}" for day in days
        ]
