"""Slots: the processes that do the work. Each claims some calls, runs them one after the other, and
writes their ends with the next claim; a round is one transaction.

    claim ── begin ────────────── run ───────────────────── keep ──────── decide ───── write
    rounds   holding, permits,    executor, async_executor, completion,   transitions  acknowledge
             pace, admission      group, concurrent         inheritance

A call's way: ready → a slot → done, failed, scheduled or ready again. What a slot holds, runs and
has ended stands on a page that outlives it (`markers`), which its supervisor reads to enforce
deadlines, and its successor to settle what it left. Slots are forked from a process that has the
application loaded.

Business rules do not live here: a job's policy is read from the job, and `transitions` alone
decides what an outcome leads to. Nor does a slot know what a worker is, but for its number.
"""
