"""Users, providers, listings and events from files of another system: reading them, checking each
row, and entering them once.

What a row becomes is decided here; how it shows on a terminal is the command line's.
"""
