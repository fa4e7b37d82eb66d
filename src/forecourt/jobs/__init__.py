"""Jobs: functions with a policy, how they are dispatched, and what can become of a call.

Nothing here claims or executes a call (that is `workers`), and nothing knows the time of day (that
is `schedule`).
"""
