"""One module a page: it reads what it shows, and hands it to its template. None of them changes
anything.
"""
