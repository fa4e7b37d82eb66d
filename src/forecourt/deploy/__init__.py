"""Files for whatever runs Forecourt: each printer makes one text of a Site, and writes nothing.

A file has no secret in it: addresses with passwords stay in .env, or in what keeps secrets where it runs.
"""
