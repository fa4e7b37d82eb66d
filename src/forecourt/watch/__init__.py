"""Looks at the house for those who sleep: the checks of `doctor`, twice a minute, by a clock or a
web server, whichever comes first.

Clocks and web servers watch, because nobody can learn from a worker that no worker works. What they
find is told by a job; when none has done so for a minute, or no worker lives, they tell it
themselves.
"""
