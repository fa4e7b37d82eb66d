"""Whether the house is well: checks with a value, a limit and what to do, for `forecourt doctor`,
`/health` and the page Health.

Each check only reads. One that cannot be made counts as failed and says why.
"""
