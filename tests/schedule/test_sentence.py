"""Promises of the words in which operators read a frequency."""

import pytest
from timetables import chained, new_task, vectors

from forecourt.schedule.errors import TimetableError
from forecourt.schedule.sentence import sentence


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("* * * * *", "Every minute"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0,30 * * * *", "Every 30 minutes"),
        ("*/5 * * * 1-5", "Every 5 minutes on weekdays"),
        ("*/5 * 1 * *", "Every 5 minutes on the 1st of the month"),
        ("0 * * * *", "Every hour"),
        ("@hourly", "Every hour"),
        ("17 * * * 6,0", "Every hour at :17 on weekends"),
        ("0 */2 * * *", "Every 2 hours from midnight"),
        ("15,45 */6 * * *", "Every 6 hours from midnight at :15 and :45"),
        ("0 9 1,15 * 1-5", "1st and 15th of the month or on weekdays at 09:00"),
        ("0 9 */2 * *", "Odd days of the month at 09:00"),
        ("0 9 */2 2,6 *", "Odd days of February and June at 09:00"),
        ("0 9 */2 * 1", "Mondays on odd days of the month at 09:00"),
        ("*/5 * */2 6 1-5", "Every 5 minutes on weekdays on odd days of June"),
        ("0 9 */10 * 1", "Mondays on the 1st, 11th, 21st and 31st of the month at 09:00"),
        ("0 9 1 * */3", "Wednesdays, Saturdays and Sundays on the 1st of the month at 09:00"),
        ("0 9 1-31/2 * 1", "Odd days of the month or on Mondays at 09:00"),
        ("0 9 * * */2", "Tuesdays, Thursdays, Saturdays and Sundays at 09:00"),
        ("0 0 30 2 1", "Mondays in February at 00:00"),
        ("*/5 * 30,31 2 1-5", "Every 5 minutes on weekdays in February"),
        ("0 0 15,30 2 1", "15th of February or on Mondays in February at 00:00"),
        ("0 0 31 4,5 *", "31st of May at 00:00"),
        ("0 0 31 1-12/3 *", "31st of January, July and October at 00:00"),
        ("0 0 31 * 1", "31st of the month or on Mondays at 00:00"),
        ("0 0 31,L 2 *", "Last day of February at 00:00"),
        ("0 1-23/2 * * *", "Every odd hour"),
        ("0 9-17 * * 1-5", "Every hour from 09:00 to 17:00 on weekdays"),
        ("*/15 9-17 * * *", "Every 15 minutes from 09:00 to 17:45"),
        ("* 0-5 * * *", "Every minute from 00:00 to 05:59"),
        ("1 0 * * *", "Daily at 00:01"),
        ("0 1,13 * * *", "Daily at 01:00 and 13:00"),
        ("0 9 * 6,7 *", "Daily in June and July at 09:00"),
        ("0 9 * * 1", "Mondays at 09:00"),
        ("0 9 * * 7", "Sundays at 09:00"),
        ("30 17 * * MON,wed,5", "Mondays, Wednesdays and Fridays at 17:30"),
        ("0 9 * * 1-5", "Weekdays at 09:00"),
        ("0 9 * 12 6,7", "Weekends in December at 09:00"),
        ("0 3 1 * *", "1st of the month at 03:00"),
        ("30 3 2,3,11,22 * ?", "2nd, 3rd, 11th and 22nd of the month at 03:30"),
        ("0 0 1 1-12/3 *", "1st of January, April, July and October at 00:00"),
        ("0 0 29 2 *", "29th of February at 00:00"),
        ("0 0 15,L * *", "15th and last day of the month at 00:00"),
        ("0 0 LW * *", "Last weekday of the month at 00:00"),
        ("0 0 * * 1#2", "2nd Monday of the month at 00:00"),
        ("0 0 * 3 5L", "Last Friday of March at 00:00"),
        # Where words would be long, or not quite true, the expression stands for itself.
        ("*/7 * * * *", "*/7 * * * *"),
        ("*/10 */4 * * *", "*/10 */4 * * *"),
        ("0 */5 * * *", "0 */5 * * *"),
        ("1,2 9-17 * * *", "1,2 9-17 * * *"),
        ("0 0 1-7 * *", "0 0 1-7 * *"),
        ("0 0 */3 * 1", "0 0 */3 * 1"),
        ("0 0 */2 * 1#2", "0 0 */2 * 1#2"),
        ("0 0 * 1-6 *", "0 0 * 1-6 *"),
        ("0 0 31 4,5 1", "0 0 31 4,5 1"),
        ("0 0 15,31 4,5 *", "0 0 15,31 4,5 *"),
        ("0 0 * * 1#2,5L", "0 0 * * 1#2,5L"),
    ],
)
def test_an_expression_in_words(cron: str, words: str) -> None:
    assert sentence(cron) == words


@pytest.mark.parametrize(
    ("seconds", "cron", "words"),
    [
        (1, "* * * * *", "Every second"),
        (15, "* * * * 1-5", "Every 15 seconds on weekdays"),
        (30, "* * * * 0", "Every 30 seconds on Sundays"),
    ],
)
def test_a_repetition_in_words(seconds: int, cron: str, words: str) -> None:
    assert sentence(cron, seconds) == words


def test_a_task_s_sentence_names_its_windows() -> None:
    task = new_task().hourly().weekdays().between("8:00", "17:00").unless_between("12:00", "12:30")
    assert task.sentence == "Every hour on weekdays, between 08:00 and 17:00, except between 12:00 and 12:30"
    assert repr(task) == f"<Task 'sweep': {task.sentence}>"


def test_every_word_has_a_sentence_but_for_minutes_within_every_few_hours() -> None:
    tasks = [chained(new_task(), vector["call"]) for vector in vectors("frequency")]
    assert {str(task.cron) for task in tasks if task.sentence == task.cron} == {
        *("*/10 1-23/2 * * *", "*/10 */2 * * *", "*/10 */3 * * *", "*/10 */4 * * *", "*/10 */6 * * *")
    }


def test_a_wrong_expression_has_no_sentence() -> None:
    with pytest.raises(TimetableError, match="hour '25'"):
        sentence("0 25 * * *")
