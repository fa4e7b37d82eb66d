"""`python -m benchmarks.peers`: prepare the environment of the peers, before `python -m benchmarks`
measures them.
"""

from benchmarks.peers.environment import install

install()
