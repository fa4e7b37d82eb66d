"""The words of the morning's mail, in each language. What a check or an error says stays as it is, as does what is unknown here."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal

from forecourt.durations import duration
from forecourt.settings import settings
from forecourt.web import words

STATES = {
    "en": {
        "done": "done", "slow": "slow", "failed": "failed", "missed": "missed", "skipped": "skipped", "late": "late",
        "running": "running", "enqueued": "waiting", "paused": "paused", "cancelled": "cancelled", "to come": "to come",
        "unknown": "not known",
    },
    "ar": {
        "done": "أُنجزت", "slow": "بطيئة", "failed": "فشلت", "missed": "فات موعدها", "skipped": "تُخطّيت", "late": "متأخرة",
        "running": "قيد التنفيذ", "enqueued": "في الانتظار", "paused": "موقوفة", "cancelled": "أُلغيت", "to come": "قادمة",
        "unknown": "غير معروفة",
    },
}  # fmt: skip
"""A task is feminine in Arabic."""

PHRASES = {
    "en": {
        "night": "The night of {day}", "well": "all well", "ran": "What ran since {time}", "nothing_ran": "Nothing ran.",
        "failures": "Calls that failed", "now": "What is wrong now", "nothing_wrong": "Every check is well.",
        "to_come": "The next 24 hours", "nothing_due": "Nothing is due.", "usually": "usually {time}",
        "expected": "probably {what}", "open": "Look at the night",
        "often": "{runs} runs, {bad} not well",
        "unknown": "It was due, and there is no trace of a run.", "made": "Written at {time} by {host}.",
        "times": "Times are those of {zone}.",
    },
    "ar": {
        "night": "ليلة {day}", "well": "كل شيء على ما يرام", "ran": "ما جرى منذ {time}", "nothing_ran": "لم يجرِ شيء.",
        "failures": "استدعاءات فشلت", "now": "ما فيه خلل الآن", "nothing_wrong": "كل الفحوص سليمة.",
        "to_come": "الساعات الأربع والعشرون القادمة", "nothing_due": "لا شيء مقرر.", "usually": "المعتاد {time}",
        "expected": "المتوقع {what}", "open": "افتح صفحة الليلة",
        "often": "مرات التنفيذ: {runs}، غير السليم منها: {bad}", "unknown": "حان موعدها، ولا أثر لتنفيذها.",
        "made": "كُتب في {time} على {host}.", "times": "الأوقات بتوقيت {zone}.",
    },
}  # fmt: skip

DUTIES = {
    "heartbeat": "يُظهر أن الساعة والعمال أحياء",
    "expire_sponsored_listings": "ينهي الرعاية المدفوعة ويخبر أصحابها",
    "expire_featured_listings": "ينهي تمييز الإعلانات",
    "aggregate_daily_analytics": "يجمع أحداث الأمس في إحصاءات يومية",
    "archive_old_analytics": "ينقل الأحداث القديمة إلى الأرشيف",
    "remind_of_ending_sponsorships": "يذكّر المعلنين بقرب انتهاء الرعاية",
    "cleanup_soft_deleted": "يحذف ما بقي في سلة المحذوفات طويلًا",
    "sweep_storage": "يزيل الملفات التي لا يشير إليها شيء",
    "generate_sitemap": "ينشر خريطة الموقع",
    "notify_low_wallet_balance": "ينبّه من أوشكت محفظته على النفاد",
    "notify_emptied_wallets": "ينبّه من فرغت محفظته",
    "send_digests": "يرسل الملخصات حين يحين وقتها",
    "fail_lost_mails": "يقول أين تُركت رسالة دون إرسال",
    "forecourt.report": "يرسل تقرير الليلة",
}
"""What the marketplace's duties do, in Arabic. In English the timetable says it."""

FIGURES = {
    "expired": "منتهية", "notifications": "إشعارات", "days": "أيام", "events": "أحداث", "files": "ملفات", "deleted": "محذوفة",
    "stats": "إحصاءات", "kept": "متروكة", "urls": "عناوين", "rewritten": "مكتوبة من جديد", "low": "منخفضة", "notified": "منبَّهون",
    "already_told": "أُخبروا من قبل", "uploads": "مرفوعات", "photos": "صور", "unfinished": "غير مكتملة", "failed": "فاشلة",
    "mails": "رسائل", "listings": "إعلانات", "addresses": "عناوين", "bytes": "بايت",
}  # fmt: skip
"""What duties count, in Arabic."""

UNITS = (("ms", "م.ث"), ("min", "د"), ("s", "ث"), ("h", "س"), ("d", "ي"))


class Speech:
    """One language's words."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._locale = Locale.parse(language)

    @property
    def direction(self) -> str:
        """The value of HTML's `dir`."""
        return self._locale.text_direction

    def state(self, state: str) -> str:
        """How a duty stands, in a word."""
        return STATES[self.language].get(state, state)

    def say(self, phrase: str, **facts: object) -> str:
        """A phrase, with its facts."""
        return PHRASES[self.language][phrase].format(**facts)

    def duty(self, name: str, description: str) -> str:
        """What a task does; its name where nobody said."""
        return (DUTIES.get(name, "") if self.language == "ar" else description) or description or name

    def day(self, at: datetime) -> str:
        """24 November 2026, in the business zone."""
        return format_date(at.astimezone(settings().zone), "long", locale=self._locale)

    def time(self, at: datetime, today: datetime) -> str:
        """The time on the business zone's clocks, with the day of the week if it is another than `today`'s."""
        local = at.astimezone(settings().zone)
        if local.date() == today.astimezone(settings().zone).date():
            return f"{local:%H:%M}"
        return f"{format_date(local, 'EEE', locale=self._locale)} {local:%H:%M}"

    def lasting(self, seconds: float) -> str:
        """A length of time in its two largest units."""
        said = duration(seconds)
        if self.language == "ar":
            units = dict(UNITS)
            return " ".join(units.get(word, word) for word in said.split())
        return said

    def number(self, count: float) -> str:
        return format_decimal(count, locale=self._locale)

    def calls(self, count: int) -> str:
        """So many calls. In Arabic the noun's form would follow the number; there the number follows."""
        return words.some(count, "call") if self.language == "en" else f"عدد الاستدعاءات: {self.number(count)}"

    def did(self, output: Any) -> str:
        """What a run returned, as a person would say it."""
        if self.language != "ar" or not isinstance(output, Mapping) or set(output) - set(FIGURES):
            return words.did(output)
        told = {name: value for name, value in output.items() if value} or output
        return "، ".join(f"{FIGURES[name]}: {self.number(value or 0)}" for name, value in told.items())
