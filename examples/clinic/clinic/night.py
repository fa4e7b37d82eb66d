"""What FORECOURT_APP names: the clinic's timetable, and the queues that its workers serve, the most
urgent first.
"""

from clinic.jobs import close_the_day, remind_of_tomorrow
from forecourt import Forecourt, Timetable

timetable = Timetable("Asia/Damascus")
timetable.add(remind_of_tomorrow).daily_at("17:00").weekdays()
timetable.add(close_the_day).daily_at("22:00")

app = Forecourt(timetable, queues=("soon", "later"))
