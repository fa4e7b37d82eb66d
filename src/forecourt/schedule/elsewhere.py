"""Words that other schedulers have and this one has not, with what to say instead.

Those that differ only in their spelling are found without a list.
"""

_NO_LOCK = "there is no lock here that could expire or be named: the live call of a run is what holds its task"
_OUTPUT = "what a run logs and returns is kept with its call, not what it prints: forecourt queue show ID"
_MAIL = f"{_OUTPUT}; on_failure(function) is told of the run and may send a mail"
_RUN = "a hook gets the run, whose result is what the function returned: after(lambda run: print(run.result))"
_ADD = "it runs jobs: put @job on the function, and timetable.add(function)"

ELSEWHERE = {
    "run_in_background": "every run is a call on a worker, in the background",
    "even_in_maintenance_mode": "there is no maintenance mode; even_when_paused() runs also while the schedule is paused",
    "user": "start a worker as that user, for a queue of its own, and say using(queue=...)",
    "create_mutex_name_using": _NO_LOCK,
    "prevent_overlaps_using": _NO_LOCK,
    "use_cache": _NO_LOCK,
    "send_output_to": _OUTPUT,
    "append_output_to": _OUTPUT,
    "store_output": _OUTPUT,
    "email_output_to": _MAIL,
    "email_written_output_to": _MAIL,
    "email_output_on_failure": _MAIL,
    "then_with_output": _RUN,
    "on_success_with_output": _RUN,
    "on_failure_with_output": _RUN,
    "ping_before_if": "say ping_before(url, when=...)",
    "then_ping_if": "say then_ping(url, when=...)",
    "ping_on_success_if": "say ping_on_success(url, when=...)",
    "ping_on_failure_if": "say ping_on_failure(url, when=...)",
    "on_queue": "say using(queue=...)",
    "every": "say every_ten_minutes() and its like, or cron('*/7 * * * *')",
    "crontab": "say cron('30 9 * * 1')",
    "interval": "say every_ten_minutes() and its like, or cron('*/7 * * * *')",
    "do": _ADD,
    "call": _ADD,
    "command": _ADD,
    "exec": _ADD,
    "job": _ADD,
    "add_job": _ADD,
    "add_periodic_task": _ADD,
}
