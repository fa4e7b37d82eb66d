"""What the marketplace's night shift does, and when. Times are in the business zone,
FORECOURT_TIMEZONE.
"""

from forecourt import Timetable
from forecourt.marketplace.analytics import aggregate_daily_analytics, aggregate_hourly_analytics
from forecourt.marketplace.archive import archive_old_analytics
from forecourt.marketplace.delivery import fail_lost_mails
from forecourt.marketplace.heartbeat import heartbeat
from forecourt.marketplace.indexnow import announce_changes
from forecourt.marketplace.notices import send_digests
from forecourt.marketplace.placements import (
    expire_featured_listings,
    expire_sponsored_listings,
    remind_of_ending_sponsorships,
)
from forecourt.marketplace.sitemap import generate_sitemap
from forecourt.marketplace.sweep import sweep_storage
from forecourt.marketplace.trash import cleanup_soft_deleted
from forecourt.marketplace.views import count_recorded_views
from forecourt.marketplace.wallets import notify_emptied_wallets, notify_low_wallet_balance
from forecourt.schedule.frequency import MONDAY

timetable = Timetable()

timetable.add(heartbeat).every_minute().describe("Shows that clock and workers are alive")

timetable.add(count_recorded_views).every_minute().describe("Adds the views of recorded events to their listings")

with timetable.group("placements") as placements:
    placements.add(expire_sponsored_listings).daily_at("00:01").describe("Ends paid sponsorship, and tells the owners")
    placements.add(expire_featured_listings).daily_at("00:02").describe("Ends the admins' featuring")
    placements.add(remind_of_ending_sponsorships).daily_at("10:00").describe("Reminds owners of the end in time")

with timetable.group("analytics") as analytics:
    analytics.add(aggregate_daily_analytics).daily_at("02:00").describe("Rolls yesterday's events up into daily stats")
    analytics.add(aggregate_hourly_analytics).hourly_at(5).describe("Brings the stats of today up to date")
    analytics.add(archive_old_analytics).monthly_on(1, "03:00").describe("Moves old events to Parquet")

timetable.add(cleanup_soft_deleted).daily_at("04:00").describe("Deletes what was in the trash for long enough")
timetable.add(sweep_storage).daily_at("04:30").describe("Removes files to which nothing refers")
timetable.add(generate_sitemap).daily_at("05:00").describe("Publishes the sitemap")
timetable.add(announce_changes).hourly_at(35).describe("Tells search engines which pages changed")
timetable.add(notify_low_wallet_balance).weekly_on(MONDAY, "09:00").describe("Warns providers whose wallet runs dry")
timetable.add(notify_emptied_wallets).daily_at("09:00").describe("Warns providers whose wallet is empty")
timetable.add(send_digests).hourly_at(5).describe("Sends digests to those for whom it is time")
timetable.add(fail_lost_mails).hourly_at(17).describe("Says so where a mail was given up")
