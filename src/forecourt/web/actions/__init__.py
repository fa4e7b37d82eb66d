"""What the buttons do: each through `operations`, as the command line does it, and then back to the
page with words that say so.
"""
