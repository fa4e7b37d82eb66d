"""What `forecourt deploy` prints fits what the pages tell: no rule waits for a name that there is
not.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from click.testing import CliRunner

from forecourt.cli import forecourt
from scene import set_scene
from serving import served

NEEDS_PROMTOOL = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed: apt-get install prometheus"
)


def printed(what: str) -> str:
    done = CliRunner().invoke(forecourt, ["deploy", what])
    assert done.exit_code == 0, done.output
    return done.output


def dashboard() -> list[str]:
    """Each query of the dashboard."""
    return [target["expr"] for panel in json.loads(printed("grafana"))["panels"] for target in panel.get("targets", ())]


@pytest.fixture
def metrics(database: str) -> Iterator[str]:
    """What is told of a house in which everything has happened."""
    with psycopg.connect(database) as tx:
        set_scene(tx)
        tx.execute(
            "INSERT INTO forecourt.ticks (task, due_at, status, finished_at) VALUES"
            " ('heartbeat', now() - interval '30 s', 'missed', now());"
            "INSERT INTO forecourt.tasks (name, fingerprint) SELECT 'heartbeat', 'x'"
        )
        from forecourt.marketplace.timetable import timetable

        tx.execute("UPDATE forecourt.tasks SET fingerprint = %s", (timetable["heartbeat"].fingerprint,))
        tx.execute("INSERT INTO analytics_days (date, events, aggregated_at) VALUES (now()::date - 1, 1, now())")
        tx.execute("INSERT INTO sitemap_runs (published_at, urls, files, bytes) VALUES (now(), 1, 1, 1)")
        tx.execute("INSERT INTO users (name) VALUES ('Sami')")
        tx.execute(
            "INSERT INTO notifications (user_id, kind, data, dedupe_key, mail_status)"
            " SELECT id, 'k', '{}', 'k', 'pending' FROM users"
        )
    with served() as address:
        yield httpx.get(f"{address}/metrics", timeout=30).raise_for_status().text


def test_rules_and_dashboard_ask_only_for_names_labels_and_values_that_exist(metrics: str) -> None:
    asked = "\n".join([*re.findall(r"expr:(.*?)(?:\n +for:|\n +labels:)", printed("alerts"), re.DOTALL), *dashboard()])
    samples = {line.partition("{")[0].partition(" ")[0] for line in metrics.splitlines() if line[:1] != "#"}
    names = set(re.findall(r"forecourt_[a-z_]+", asked))
    assert len(names) > 25
    assert names <= samples
    for label, values in re.findall(r'(\w+)=~?"([^"]*)"', asked):
        for value in values.split("|"):
            assert f'{label}="{value}"' in metrics, (label, value)
    told = set(re.findall(r"(\w+)=\"", metrics))
    for labels in re.findall(r"(?:by|ignoring) \(([^)]*)\)", asked):
        assert set(labels.split(", ")) <= told, labels


def test_every_panel_has_a_place_of_its_own() -> None:
    panels = json.loads(printed("grafana"))["panels"]
    taken = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


SERIES = """
rule_files: [forecourt.rules.yml]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {series: 'forecourt_build_info{version="1"}', values: '1x60'}
      - {series: 'forecourt_workers{state="alive"}', values: '1x10 0x50'}
      - {series: 'forecourt_queue_oldest_ready_seconds{queue="high"}', values: '90x60'}
      - {series: 'forecourt_queue_limit_seconds{queue="high"}', values: '60x60'}
      - {series: 'forecourt_queue_paused{queue="high"}', values: '0x60'}
      - {series: 'forecourt_queue_oldest_ready_seconds{queue="low"}', values: '90x60'}
      - {series: 'forecourt_queue_limit_seconds{queue="low"}', values: '60x60'}
      - {series: 'forecourt_queue_paused{queue="low"}', values: '1x60'}
      - {series: 'forecourt_queue_calls{queue="high", state="ready"}', values: '5x60'}
      - {series: 'forecourt_queue_workers{queue="high"}', values: '1x10 0x50'}
      - {series: 'forecourt_calls_total{queue="high", job_name="j", outcome="finished"}', values: '0+1x10 10x50'}
      - {series: 'forecourt_task_last_failure_timestamp_seconds{task="never_well"}', values: '60x60'}
      - {series: 'forecourt_task_last_failure_timestamp_seconds{task="well_again"}', values: '60x60'}
      - {series: 'forecourt_task_last_success_timestamp_seconds{task="well_again"}', values: '600x60'}
    alert_rule_test:
      - {eval_time: 5m, alertname: ForecourtNoWorkers, exp_alerts: []}
      - eval_time: 20m
        alertname: ForecourtNoWorkers
        exp_alerts: [{exp_labels: {severity: page, state: alive}}]
      - eval_time: 20m
        alertname: ForecourtQueueLate
        exp_alerts: [{exp_labels: {severity: page, queue: high}}]
      - eval_time: 20m
        alertname: ForecourtQueueUnserved
        exp_alerts: [{exp_labels: {severity: page, queue: high}}]
      - {eval_time: 10m, alertname: ForecourtNoProgress, exp_alerts: []}
      - eval_time: 40m
        alertname: ForecourtNoProgress
        exp_alerts: [{exp_labels: {severity: page, queue: high}}]
      - eval_time: 20m
        alertname: ForecourtTaskFailed
        exp_alerts: [{exp_labels: {severity: ticket, task: never_well}}]
      - {eval_time: 20m, alertname: ForecourtAway, exp_alerts: []}
"""


@NEEDS_PROMTOOL
def test_the_rules_are_rules_and_ring_when_they_should(tmp_path: Path) -> None:
    rules = tmp_path / "forecourt.rules.yml"
    rules.write_text(printed("alerts"))
    checked = subprocess.run(["promtool", "check", "rules", rules], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
    # Without the words, of which each alert has its own.
    bare = re.sub(r" +annotations:\n(?: {10}.*\n)+", "", rules.read_text())
    rules.write_text(bare)
    (tmp_path / "series.yml").write_text(SERIES)
    tried = subprocess.run(["promtool", "test", "rules", "series.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert tried.returncode == 0, tried.stdout + tried.stderr


@NEEDS_PROMTOOL
def test_every_query_of_the_dashboard_is_one(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, expression in enumerate(dashboard())
    ]
    (tmp_path / "panels.yml").write_text(json.dumps({"groups": [{"name": "panels", "rules": rules}]}))
    checked = subprocess.run(["promtool", "check", "rules", "panels.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
