"""What a running system answers over HTTP: pages for its operator, health for probes and monitors.

Only answers live here: what they are made of is read from `store` and `database`, and what they do
is done by `operations`.
"""
