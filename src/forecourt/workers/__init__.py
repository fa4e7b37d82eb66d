"""Workers: a supervisor that only watches, and slots that claim, execute and acknowledge in rounds.

    supervisor ── agents: heartbeat, stager, rescuer, control, pruner, housekeeper; and the
    listener, which wakes idle slots
        │
        └── fork server ── slot, slot, …   (forked from a process that has the application loaded)

A call's way: ready → a slot → done, failed, scheduled or ready again. A slot's round is one
transaction that writes the ends of the calls that it ran and claims the next; then it runs them.
What it holds, runs and has ended stands on a page that outlives it, which its supervisor reads to
enforce deadlines, and its successor to settle what it left.

Business rules do not live here: a job's policy is read from the job, and `verdict` alone decides
what an outcome leads to.
"""
