"""Takes what waits in another system's queue and dispatches it here: readers of their messages, and
one way to enter them.

What cannot be taken stays where it is, with the reason. Nothing here runs a foreign system's code:
no pickle, no PHP object.
"""
