"""OpenTelemetry: a span where a call is dispatched, and one for each attempt, linked to it. The
extra `forecourt[otel]`.

    from forecourt.otel import trace_calls

    app = Forecourt(timetable, middleware=[trace_calls()])  # once the tracer provider is set

By the conventions for messaging: `create QUEUE` (PRODUCER) within whatever span dispatches,
`process QUEUE` (CONSUMER) as the root of a trace of its own. They are linked and not nested, since
an attempt may come hours later, again, or together with others.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

from forecourt.jobs.carrying import use_carrier
from forecourt.jobs.context import RunningCall
from forecourt.jobs.middleware import Middleware
from forecourt.jobs.outcome import Discard, Release
from forecourt.version import __version__

SYSTEM = "forecourt"


def trace_calls(provider: TracerProvider | None = None) -> "Tracing":
    """Trace what this process dispatches, by `provider` or the global one; calling it again
    replaces the first. Returns the middleware that traces what an application runs.
    """
    tracer = trace.get_tracer("forecourt", __version__, provider)

    def carrier(job: str, queue: str) -> Mapping[str, str]:
        attributes = _attributes("create", queue, job)
        with tracer.start_as_current_span(f"create {queue}", kind=SpanKind.PRODUCER, attributes=attributes):
            taken_along: dict[str, str] = {}
            propagate.inject(taken_along)
            return taken_along

    use_carrier(carrier)
    return Tracing(tracer)


class Tracing(Middleware):
    """Around every attempt: its span, with a link to where its call was dispatched."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def around(self, call: RunningCall, execute: Callable[[], Any]) -> Any:
        """Execute, and return what that returned."""
        with self._span(call):
            return execute()

    async def around_async(self, call: RunningCall, execute: Callable[[], Awaitable[Any]]) -> Any:
        """The same around a coroutine."""
        with self._span(call):
            return await execute()

    @contextmanager
    def _span(self, call: RunningCall) -> Iterator[None]:
        attributes = _attributes("process", call.queue, call.job)
        attributes |= {"messaging.message.id": str(call.id), "forecourt.attempt": call.attempt}
        if isinstance(task := call.options.get("task"), str):
            attributes["forecourt.task"] = task
        with self._tracer.start_as_current_span(
            f"process {call.queue}",
            context=Context(),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=_links(call),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except (Release, Discard) as wish:  # words of the job's, not errors
                span.set_attribute("forecourt.outcome", type(wish).__name__.lower())
                raise
            except BaseException as error:
                _failed(span, error)
                raise


def _attributes(operation: str, queue: str, job: str) -> dict[str, str | int]:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "forecourt.job": job,
    }


def _links(call: RunningCall) -> list[Link]:
    taken_along = call.options.get("trace")
    if not isinstance(taken_along, dict):
        return []
    context = trace.get_current_span(propagate.extract(taken_along, context=Context())).get_span_context()
    return [Link(context)] if context.is_valid else []


def _failed(span: Span, error: BaseException) -> None:
    kind = type(error)
    span.record_exception(error)
    span.set_attribute("error.type", f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."))
    span.set_status(Status(StatusCode.ERROR, str(error)[:500]))
