"""The car marketplace: its tables, its timetable, and one module a duty. Nothing below imports from
here.
"""
