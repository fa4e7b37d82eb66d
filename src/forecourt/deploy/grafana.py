"""A dashboard for Grafana: does the night go well, and if not, where. For import, with any
Prometheus as its source.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

WIDTH = 24
"""Columns of Grafana's grid."""

SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure, a chart or a table: its title, its queries with their legends, Grafana's name of
    the unit. `bad` is the value from which a figure is red."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: Literal["stat", "timeseries", "table"] = "timeseries"
    width: int = 8
    bad: float | None = None


ROWS: Sequence[tuple[str, int, Sequence[Panel]]] = (
    ("Now", 4, (
        Panel("Workers", [('max(forecourt_workers{state="alive"})', "")], "none", "stat", 4),
        Panel("Slots busy", [("max(forecourt_slots_busy) / max(forecourt_slots)", "")], "percentunit", "stat", 4),
        Panel("Oldest call beside its limit", [
            ("max(forecourt_queue_oldest_ready_seconds / forecourt_queue_limit_seconds unless (forecourt_queue_paused == 1))", ""),
        ], "percentunit", "stat", 4, 1),
        Panel("Clock heard of", [("time() - max(forecourt_clock_last_beat_timestamp_seconds)", "")], "s", "stat", 4, 120),
        Panel("Failed in 24 h", [('sum(increase(forecourt_calls_total{outcome="failed"}[24h]))', "")], "short", "stat", 4, 1),
        Panel("Tasks overdue", [("count(forecourt_task_overdue_seconds > 120) or vector(0)", "")], "none", "stat", 4, 1),
    )),
    ("Calls", 8, (
        Panel("Ended a second", [("sum by (outcome) (rate(forecourt_calls_total[$__rate_interval]))", "{{outcome}}")], "ops"),
        Panel("Waited, 95 of 100", [
            ("histogram_quantile(0.95, sum by (le, queue) (rate(forecourt_call_wait_seconds_bucket[$__rate_interval])))",
             "{{queue}}"),
        ], "s"),
        Panel("Ran, 95 of 100", [
            ("histogram_quantile(0.95, sum by (le, job_name) (rate(forecourt_call_run_seconds_bucket[$__rate_interval])))",
             "{{job_name}}"),
        ], "s"),
        Panel("Ready", [('max by (queue) (forecourt_queue_calls{state="ready"})', "{{queue}}")]),
        Panel("Oldest ready call", [
            ("max by (queue) (forecourt_queue_oldest_ready_seconds)", "{{queue}}"),
            ("max by (queue) (forecourt_queue_limit_seconds)", "{{queue}} may"),
        ], "s"),
        Panel("Failed and tried again", [
            ('sum by (job_name) (increase(forecourt_calls_total{outcome="failed"}[$__rate_interval]))', "{{job_name}} failed"),
            ('sum by (job_name) (increase(forecourt_calls_total{outcome="retried"}[$__rate_interval]))', "{{job_name}} again"),
        ]),
    )),
    ("Schedule", 9, (
        Panel("Last success", [
            ("max by (task) (forecourt_task_last_success_timestamp_seconds) * 1000", "{{task}}"),
        ], "dateTimeFromNow", "table"),
        Panel("Next due", [
            ("min by (task) (forecourt_task_next_due_timestamp_seconds) * 1000", "{{task}}"),
        ], "dateTimeFromNow", "table"),
        Panel("Last run took", [("max by (task) (forecourt_task_last_duration_seconds)", "{{task}}")], "s"),
    )),
    ("Beneath", 8, (
        Panel("Database connections", [
            ("max(forecourt_database_connections)", "in use"), ("max(forecourt_database_connections_limit)", "at most"),
        ]),
        Panel("Oldest transaction", [("max(forecourt_database_oldest_transaction_seconds)", "open")], "s"),
        Panel("Disk free", [("min(forecourt_disk_free_bytes)", "free")], "bytes"),
    )),
    ("Marketplace", 8, (
        Panel("Notices by the state of their mail", [("max by (state) (forecourt_notices)", "{{state}}")]),
        Panel("Sitemap", [("time() - max(forecourt_sitemap_published_timestamp_seconds)", "age")], "s"),
        Panel("To be looked after", [
            ("max(forecourt_placements_overdue)", "placements over"), ("max(forecourt_wallets_low)", "wallets low"),
            ("max(forecourt_listings_to_delete)", "listings to delete"), ("max(forecourt_files_to_delete)", "files to delete"),
        ]),
    )),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """As Grafana imports it."""
    return {
        "uid": "forecourt",
        "title": "Forecourt",
        "tags": ["forecourt"],
        "schemaVersion": 39,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus", "current": {}}
            ]
        },
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number = top = 0
    for title, height, panels in ROWS:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
            "panels": [],
        }
        top, left = top + 1, 0
        for panel in panels:
            if left + panel.width > WIDTH:
                top, left = top + height, 0
            number += 1
            yield _panel(panel, number) | {"gridPos": {"x": left, "y": top, "w": panel.width, "h": height}}
            left += panel.width
        top += height


def _panel(panel: Panel, number: int) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.bad is not None:
        steps.append({"color": "red", "value": panel.bad})
    at_once = panel.kind != "timeseries"
    defaults = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if panel.kind == "stat" else {},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": expression,
                "legendFormat": legend or "__auto",
                "instant": at_once,
                "range": not at_once,
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for place, (expression, legend) in enumerate(panel.queries)
        ],
    }
