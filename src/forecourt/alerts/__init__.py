"""Tells somebody who did not ask, by mail and by webhook: once, whoever sends it. What is worth
telling is decided above.
"""
