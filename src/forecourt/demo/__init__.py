"""The demo: a marketplace made up from arithmetic, and one whole night of it through the real
clock, queue and workers.

It uses what any application uses, and nothing below it knows of it. All it adds to the database
lies in the schema `demo`.
"""
