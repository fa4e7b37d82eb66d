"""What an operator does, once, for the command line and the pages alike: each action with its row
in the audit.

Asking back and finding words is theirs; nothing here prints.
"""
