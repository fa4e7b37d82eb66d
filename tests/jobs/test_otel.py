"""A trace leads from where a call was dispatched to each of its attempts, by the names that tracing
tools know.
"""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import workshop
from forecourt import Forecourt, Release, batch, job
from forecourt.jobs.carrying import use_carrier
from forecourt.otel import trace_calls
from forecourt.testing import drain


@job(queue="high", tries=2, backoff=0)
def stumble(once: bool) -> None:
    raise ValueError(f"no: {once}")


@job
async def wait_a_moment(call: str) -> str:
    await asyncio.sleep(0)
    return call


@job
def come_back_later() -> None:
    raise Release(3600, "later")


@pytest.fixture
def spans(database: str) -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace_calls(provider)
    exporter.app = Forecourt(middleware=[trace_calls(provider)])  # type: ignore[attr-defined]
    exporter.tracer = provider.get_tracer("test")  # type: ignore[attr-defined]
    yield exporter
    use_carrier(None)


def named(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in spans.get_finished_spans() if span.name == name]


def test_each_attempt_is_a_trace_of_its_own_linked_to_the_dispatch(spans: InMemorySpanExporter, database: str) -> None:
    with spans.tracer.start_as_current_span("GET /cars/7") as request:  # type: ignore[attr-defined]
        call = stumble.dispatch(once=True)
    [created] = named(spans, "create high")
    assert (created.kind, created.parent) == (SpanKind.PRODUCER, request.get_span_context())
    assert created.attributes == {
        "messaging.system": "forecourt", "messaging.operation.name": "create", "messaging.operation.type": "create",
        "messaging.destination.name": "high", "forecourt.job": "stumble",
    }  # fmt: skip
    with psycopg.connect(database) as tx:
        [kept] = tx.execute("SELECT trace FROM forecourt.ready WHERE id = %s", (call.id,)).fetchone()
    assert kept.split("-")[1] == f"{created.context.trace_id:032x}"
    drain(app=spans.app)  # type: ignore[attr-defined]
    attempts = named(spans, "process high")
    assert [span.attributes["forecourt.attempt"] for span in attempts] == [1, 2]
    for span in attempts:
        assert (span.kind, span.parent) == (SpanKind.CONSUMER, None)
        assert [link.context.span_id for link in span.links] == [created.context.span_id]
        assert span.attributes["messaging.message.id"] == str(call.id)
        assert span.attributes["messaging.operation.type"] == "process"
        assert (span.attributes["error.type"], span.status.status_code) == ("ValueError", StatusCode.ERROR)
        assert span.events[0].name == "exception"


def test_what_a_call_dispatches_hangs_beneath_its_attempt(spans: InMemorySpanExporter) -> None:
    batch([wait_a_moment.call(call="inner")], name="both").dispatch()
    wait_a_moment.using(queue="low").dispatch(call="outer")
    come_back_later.dispatch()
    drain(queues=("default", "low"), app=spans.app)  # type: ignore[attr-defined]
    inner, outer = named(spans, "process default")[0], named(spans, "process low")[0]
    assert (inner.status.status_code, len(inner.links)) == (StatusCode.UNSET, 1)
    assert outer.links[0].context.span_id == named(spans, "create low")[0].context.span_id
    [released] = [
        span for span in named(spans, "process default") if span.attributes["forecourt.job"] == "come_back_later"
    ]
    assert released.attributes["forecourt.outcome"] == "release"
    assert released.status.status_code is StatusCode.UNSET


def test_a_call_without_a_context_has_no_link_and_one_that_cannot_be_read_does_no_harm(
    spans: InMemorySpanExporter, database: str
) -> None:
    with psycopg.connect(database) as tx:
        tx.execute(
            "INSERT INTO forecourt.ready (job, queue, args, options) VALUES"
            " ('wait_a_moment', 'default', '{\"call\": \"sql\"}', '{}'),"
            ' (\'wait_a_moment\', \'default\', \'{"call": "odd"}\', \'{"trace": {"traceparent": "nonsense"}}\'),'
            " ('wait_a_moment', 'default', '{\"call\": \"odder\"}', '{\"trace\": 7}')"
        )
    assert drain(app=spans.app).finished == 3  # type: ignore[attr-defined]
    assert [span.links for span in named(spans, "process default")] == [(), (), ()]


def test_without_tracing_nothing_is_taken_along(database: str) -> None:
    call = workshop.leave_trace.dispatch(call="one")
    with psycopg.connect(database) as tx:
        row = tx.execute("SELECT trace, options FROM forecourt.ready WHERE id = %s", (call.id,)).fetchone()
    assert row == (None, {})
