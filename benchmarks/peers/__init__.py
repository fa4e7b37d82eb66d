"""The peers: one file a queue that somebody might pick instead, in its recommended settings.

The files named *_tasks, `laravel_queue` and `graphile_worker` run in an environment of their own
and know nothing of this project, nor of each other; `duties` is what their jobs do, `producer` the
process that fills their queues.
"""
