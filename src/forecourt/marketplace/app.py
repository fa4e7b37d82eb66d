"""The marketplace as an application: what FORECOURT_APP names unless told otherwise."""

from forecourt import Forecourt
from forecourt.marketplace import notices, photos, views
from forecourt.marketplace.timetable import timetable

jobs = (
    views.increment_views_count,
    photos.process_car_images,
    notices.send_sponsorship_expired_notification,
)
"""The jobs that front ends dispatch. Importing their modules is what registers them."""

app = Forecourt(timetable, queues=("high", "medium", "low", "default"))
