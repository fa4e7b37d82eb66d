"""Files for `forecourt deploy` to print, for whatever runs Forecourt or watches it. Nothing here
writes one.

No file has a secret in it: addresses with passwords stay in .env, or in what keeps secrets where it
runs.
"""
