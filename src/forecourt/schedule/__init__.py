"""The timetable: which jobs are due when, and the clock that turns due times into calls.

Everything but the clock is a pure function of the timetable and an instant: no database, no wall
clock. The marketplace's own tasks do not live here.
"""
