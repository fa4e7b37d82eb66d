"""What a running system answers over HTTP: health for probes and monitors.

Only answers live here; what they are made of is read from `store` and `database`.
"""
