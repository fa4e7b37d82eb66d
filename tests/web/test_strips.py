"""The strip of a task's last runs: what stands out can be pointed at, all the rest is one shape."""

from datetime import UTC, datetime, timedelta

from forecourt.store.tick_history import Past, Run
from forecourt.web import drawing

NIGHT = datetime(2030, 1, 31, 2, tzinfo=UTC)


def strip(*seconds: float, failed: int = 0) -> list[Run]:
    well = [Run(NIGHT + timedelta(days=n), "succeeded", took) for n, took in enumerate(seconds)]
    return well + [Run(NIGHT, "failed", 1.0)] * failed


def test_runs_as_usual_are_one_shape_and_what_stands_out_says_when_it_was() -> None:
    drawn = drawing.runs(strip(4, 4, 5, 30, 4, failed=2))
    assert drawn.count("<path") == 1
    assert drawn.count("v-") == 4, "a bar for each run as usual"
    assert drawn.count("<title>") == 3
    assert "<title>2030-02-03 02:00 UTC: succeeded, 30 s</title>" in drawn
    assert drawn.count('class="f-failed"') == 2
    assert 'aria-label="The last 7 runs: 5 succeeded, 2 failed"' in drawn
    assert "<rect" not in drawing.runs([])


def test_what_a_task_usually_takes_is_the_middle_of_its_successes() -> None:
    assert Past(strip(4, 6, 500, failed=5)).usual == 6
    assert Past(strip(failed=2)).usual is None
