"""Every operation of the API, in one table."""

from forecourt.web.api import calls, failures, fleet, house, night, queues, schedule, stored
from forecourt.web.api.operation import Operation
from forecourt.web.people import Role

OPERATIONS = (
    Operation("GET", "/me", house.me, Role.VIEWER),
    Operation("GET", "/overview", night.overview, Role.VIEWER),
    Operation("GET", "/night", night.night, Role.VIEWER),
    Operation("GET", "/doctor", house.doctor, Role.VIEWER),
    Operation("GET", "/marketplace", house.marketplace, Role.VIEWER),
    Operation("GET", "/audit", house.audit, Role.VIEWER),
    Operation("GET", "/queues", queues.sizes, Role.VIEWER),
    Operation("POST", "/queues/pause", queues.pause, Role.OPERATOR),
    Operation("POST", "/queues/resume", queues.resume, Role.OPERATOR),
    Operation("POST", "/queues/clear", queues.clear, Role.ADMIN),
    Operation("GET", "/calls", calls.find, Role.VIEWER),
    Operation("POST", "/calls/cancel", calls.cancel, Role.OPERATOR),
    Operation("GET", "/calls/{id}", calls.show, Role.VIEWER),
    Operation("GET", "/failures", failures.kinds, Role.VIEWER),
    Operation("GET", "/failures/calls", failures.listed, Role.VIEWER),
    Operation("GET", "/failures/ids", failures.choose, Role.VIEWER),
    Operation("POST", "/failures/retry", failures.retry, Role.OPERATOR),
    Operation("POST", "/failures/retry-matching", failures.retry_matching, Role.OPERATOR),
    Operation("POST", "/failures/forget", failures.forget, Role.ADMIN),
    Operation("POST", "/failures/forget-matching", failures.forget_matching, Role.ADMIN),
    Operation("GET", "/workers", fleet.workers, Role.VIEWER),
    Operation("POST", "/workers/restart", fleet.restart, Role.OPERATOR),
    Operation("GET", "/performance", fleet.timings, Role.VIEWER),
    Operation("GET", "/tasks", schedule.timetable, Role.VIEWER),
    Operation("GET", "/tasks/{task}", schedule.task, Role.VIEWER),
    Operation("GET", "/explanations", stored.explain, Role.VIEWER),
    Operation("GET", "/occurrences", schedule.history, Role.VIEWER),
    Operation("POST", "/schedule/add", stored.add, Role.ADMIN),
    Operation("POST", "/schedule/edit", stored.edit, Role.ADMIN),
    Operation("POST", "/schedule/remove", stored.remove, Role.ADMIN),
    Operation("POST", "/schedule/trigger", schedule.trigger, Role.OPERATOR),
    Operation("POST", "/schedule/pause", schedule.pause, Role.OPERATOR),
    Operation("POST", "/schedule/resume", schedule.resume, Role.OPERATOR),
)
