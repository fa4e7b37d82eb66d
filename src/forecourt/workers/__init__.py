"""Workers: a supervisor that only watches its slots, and the duties beside it.

    supervisor ── agents: heartbeat, stager, rescuer, control, pruner, housekeeper; and the
    listener, which wakes idle slots
        │
        └── fork server ── slot, slot, …

It reads the slots' pages to enforce deadlines, takes back what waits behind slow calls, hears of
deaths and replaces who died. It executes nothing and loads no application, so nothing that a job
does can take it along.
"""
