"""Every queue and schedule statement, one concept a file.

A function here takes a psycopg connection and runs in its transaction; committing is the caller's.
No policy: what should happen to a call was decided before it came here.
"""
