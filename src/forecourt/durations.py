"""How long anything may be told to take or to wait, from the code and from the command line alike."""

LONGEST = 100 * 365.25 * 86400.0
"""Seconds: a hundred years. No wait is meant to be longer, and much longer ones no calendar can express."""
