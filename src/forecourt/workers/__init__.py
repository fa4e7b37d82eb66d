"""Workers: a supervisor that claims, acknowledges and watches, and slots that only execute.

    supervisor ── dispatcher thread: one transaction a round, acknowledges and claims
        │     └── agents: heart, stager, lifeline, pruner, each a loop around run_once()
        │
        └── nursery ── slot, slot, …   (forked from a process that has the application loaded)

A call travels: ready → claimed into the buffer → one message on a slot's channel → a report on the way back → the completer →
done, scheduled, failed or ready again. The kernel's message queue is the hand-over: whoever receives a message has it, so what a
slot has not received yet can be taken back, exactly.

Business rules do not live here: a job's policy is read from the job, and `verdict` alone decides what an outcome leads to.
"""
