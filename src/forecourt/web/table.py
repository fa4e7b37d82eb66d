"""All rules in one table."""

from forecourt.web.actions import calls as call_actions
from forecourt.web.actions import failures as failure_actions
from forecourt.web.actions import login, matching
from forecourt.web.actions import queues as queue_actions
from forecourt.web.actions import schedule as schedule_actions
from forecourt.web.actions import stored_tasks as stored_task_actions
from forecourt.web.actions import workers as worker_actions
from forecourt.web.actions.preferences import prefer, speak
from forecourt.web.api import serving
from forecourt.web.metrics.answer import metrics
from forecourt.web.pages.alerts import alerts
from forecourt.web.pages.audit import audit
from forecourt.web.pages.call import call
from forecourt.web.pages.calls import calls
from forecourt.web.pages.doctor import doctor, health
from forecourt.web.pages.failures import failures
from forecourt.web.pages.marketplace import marketplace
from forecourt.web.pages.night import night
from forecourt.web.pages.overview import overview
from forecourt.web.pages.performance import performance
from forecourt.web.pages.preferences import preferences
from forecourt.web.pages.queues import queue, queues
from forecourt.web.pages.schedule import schedule, task
from forecourt.web.pages.workers import workers
from forecourt.web.people import Role, Scope
from forecourt.web.routes import Later, Rule

EVENTS = "/api/v1/events"
UNSUBSCRIBE = "/unsubscribe/"
PHOTOS = "/api/v1/listings/{id}/photos"
PUSH = "/api/v1/push/subscriptions"

RULES = (
    Rule("POST", EVENTS, Later("forecourt.web.events:record"), None, raw=True),  # first, since it is asked most
    Rule("OPTIONS", EVENTS, Later("forecourt.web.events:preflight"), None, raw=True),
    Rule("GET", "/", overview, Role.VIEWER),
    Rule("GET", "/night", night, Role.VIEWER),
    Rule("GET", "/schedule", schedule, Role.VIEWER),
    Rule("POST", "/schedule/trigger", schedule_actions.trigger, Role.OPERATOR),
    Rule("POST", "/schedule/pause", schedule_actions.pause, Role.OPERATOR),
    Rule("POST", "/schedule/resume", schedule_actions.resume, Role.OPERATOR),
    Rule("POST", "/schedule/add", stored_task_actions.add, Role.ADMIN),
    Rule("POST", "/schedule/edit", stored_task_actions.edit, Role.ADMIN),
    Rule("POST", "/schedule/remove", stored_task_actions.remove, Role.ADMIN),
    Rule("GET", "/schedule/{name:path}", task, Role.VIEWER),
    Rule("GET", "/queues", queues, Role.VIEWER),
    Rule("POST", "/queues/pause", queue_actions.pause, Role.OPERATOR),
    Rule("POST", "/queues/resume", queue_actions.resume, Role.OPERATOR),
    Rule("POST", "/queues/clear", queue_actions.clear, Role.ADMIN),
    Rule("GET", "/queues/{name:path}", queue, Role.VIEWER),
    Rule("GET", "/calls", calls, Role.VIEWER),
    Rule("POST", "/calls/act", call_actions.selected, Role.OPERATOR),
    Rule("POST", "/calls/matching", matching.act, Role.OPERATOR),
    Rule("GET", "/calls/{id:int}", call, Role.VIEWER),
    Rule("POST", "/calls/{id:int}/retry", call_actions.retry, Role.OPERATOR),
    Rule("POST", "/calls/{id:int}/run-now", call_actions.run_now, Role.OPERATOR),
    Rule("POST", "/calls/{id:int}/cancel", call_actions.cancel, Role.OPERATOR),
    Rule("POST", "/calls/{id:int}/forget", call_actions.forget, Role.ADMIN),
    Rule("GET", "/failures", failures, Role.VIEWER),
    Rule("POST", "/failures/retry", failure_actions.retry, Role.OPERATOR),
    Rule("POST", "/failures/forget", failure_actions.forget, Role.ADMIN),
    Rule("GET", "/workers", workers, Role.VIEWER),
    Rule("POST", "/workers/restart", worker_actions.restart, Role.OPERATOR),
    Rule("POST", "/workers/quiet", worker_actions.quiet, Role.OPERATOR),
    Rule("POST", "/workers/resume", worker_actions.resume, Role.OPERATOR),
    Rule("POST", "/workers/stop", worker_actions.stop, Role.OPERATOR),
    Rule("GET", "/marketplace", marketplace, Role.VIEWER),
    Rule("GET", "/sitemap.xml", Later("forecourt.web.pages.sitemap:sitemap"), Role.VIEWER),
    Rule("GET", "/sitemap-{shard}", Later("forecourt.web.pages.sitemap:sitemap"), Role.VIEWER),
    Rule("GET", "/performance", performance, Role.VIEWER),
    Rule("GET", "/doctor", doctor, Role.VIEWER),
    Rule("GET", "/alerts", alerts, Role.VIEWER),
    Rule("GET", "/health", health, Role.VIEWER),
    Rule("GET", "/metrics", metrics, Role.VIEWER),
    Rule("GET", "/audit", audit, Role.VIEWER),
    Rule("GET", "/login", login.form, None),
    Rule("POST", "/login", login.sign_in, None),
    Rule("POST", "/logout", login.sign_out, Role.VIEWER),
    Rule("POST", "/language", speak, None),
    Rule("GET", f"{UNSUBSCRIBE}{{token}}", Later("forecourt.web.actions.unsubscribe:ask"), None),
    Rule("POST", f"{UNSUBSCRIBE}{{token}}", Later("forecourt.web.actions.unsubscribe:answer"), None),
    Rule("GET", "/settings", preferences, Role.VIEWER),
    Rule("POST", "/settings", prefer, Role.VIEWER),
    Rule("POST", "/settings/business", Later("forecourt.web.actions.business:change"), Role.ADMIN),
    Rule("POST", "/settings/default", Later("forecourt.web.actions.business:default"), Role.ADMIN),
    *serving.rules(),
    Rule("POST", PHOTOS, Later("forecourt.web.photos:add"), Role.OPERATOR, Scope.PHOTOS, raw=True),
    Rule("PUT", PHOTOS, Later("forecourt.web.photos:replace"), Role.OPERATOR, Scope.PHOTOS, raw=True),
    Rule("GET", f"{PHOTOS}/{{call}}", Later("forecourt.web.photos:progress_of"), Role.VIEWER, Scope.PHOTOS, raw=True),
    Rule("POST", PUSH, Later("forecourt.web.push:add"), Role.OPERATOR, Scope.PUSH, raw=True),
    Rule("DELETE", PUSH, Later("forecourt.web.push:remove"), Role.OPERATOR, Scope.PUSH, raw=True),
)
