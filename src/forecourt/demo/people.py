"""Who and what the marketplace consists of: blocks of 12 people, 8 providers and 200 listings.

Every block has its share of every state that a nightly duty looks for, so one more block is one
more night's work. What a row is like follows from its number by arithmetic, and every instant
counts back from now.
"""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

PEOPLE, PROVIDERS, LISTINGS = 12, 8, 200
"""Of each in a block: eight of the people have a provider, the others sell a car of their own."""

MAKE_PEOPLE = text(
    """
    INSERT INTO users (name, email, phone, locale, timezone, created_at, updated_at)
    SELECT CASE
               WHEN n % 3 = 1 THEN arabic.names[1 + demo.dice(n, 1, 8)] || ' ' || arabic.families[1 + demo.dice(n, 2, 6)]
               ELSE english.names[1 + demo.dice(n, 1, 8)] || ' ' || english.families[1 + demo.dice(n, 2, 6)]
           END,
           CASE WHEN n % 12 <> 8 THEN 'person-' || n || '@example.com' END,
           '+963 11 ' || lpad(n::text, 7, '0'),
           CASE WHEN n % 3 = 1 THEN 'ar' ELSE 'en' END,
           CASE n % 4 WHEN 1 THEN 'Asia/Damascus' WHEN 2 THEN 'Europe/Berlin' END,
           now() - interval '400 days',
           now() - interval '400 days'
    FROM generate_series(CAST(:first AS bigint), :last) AS n
    CROSS JOIN (VALUES (
        ARRAY['Anna', 'Ben', 'Clara', 'David', 'Emma', 'Frank', 'Grace', 'Henry'],
        ARRAY['Baker', 'Fischer', 'O''Neill', 'Novak', 'Silva', 'Young']
    )) AS english(names, families)
    CROSS JOIN (VALUES (
        ARRAY['أحمد', 'سارة', 'عمر', 'ليلى', 'خالد', 'نور', 'سامر', 'هبة'],
        ARRAY['الحلبي', 'الشامي', 'المصري', 'حداد', 'نجار', 'خوري']
    )) AS arabic(names, families)
    ORDER BY n
    RETURNING id
    """
)

MAKE_PROVIDERS = text(
    """
    INSERT INTO car_providers (
        user_id, name, wallet_balance, low_wallet_notified_at, is_verified, is_active, created_at, updated_at
    )
    SELECT person,
           CASE WHEN n % 3 = 1 THEN 'معرض السيارات رقم ' || n ELSE 'Motor House ' || n END,
           CASE n % 8
               WHEN 5 THEN 0
               WHEN 1 THEN 50
               WHEN 0 THEN 500 + demo.dice(n, 3, 450000) / 100.0
               WHEN 6 THEN 500 + demo.dice(n, 3, 450000) / 100.0
               ELSE 1 + demo.dice(n, 3, 4800) / 100.0
           END,
           CASE n % 8 WHEN 4 THEN now() - interval '3 days' END,
           n % 8 <> 6,
           n % 8 <> 7,
           now() - interval '399 days',
           now() - demo.dice(n, 4, 300) * interval '1 day'
    FROM unnest(CAST(:people AS bigint[])) WITH ORDINALITY AS given(person, position)
    CROSS JOIN LATERAL (SELECT :first_person + position - 1) AS person_number(p)
    CROSS JOIN LATERAL (SELECT p / 12 * 8 + p % 12) AS provider_number(n)
    WHERE p % 12 < 8
    ORDER BY n
    RETURNING id
    """
)

# r, the place in the block, says in which state a listing is; what no line names is an ordinary
# one.
MAKE_LISTINGS = text(
    """
    INSERT INTO car_listings (
        owner_id, car_provider_id, title, slug, price, views_count,
        is_available, is_hidden, is_sponsored, sponsored_since, sponsored_until, is_featured, featured_until, featured_position,
        created_at, updated_at, deleted_at
    )
    SELECT people[block * 12 + who + 1],
           CASE WHEN who < 8 THEN providers[block * 8 + who + 1] END,
           CASE WHEN n % 5 = 2 THEN car.arabic ELSE car.english END || ' ' || year,
           CASE
               WHEN n % 17 = 3 THEN 'parts-&-' || car.slug || '-' || n
               WHEN n % 5 = 2 THEN replace(car.arabic, ' ', '-') || '-' || n
               ELSE car.slug || '-' || year || '-' || n
           END,
           3000 + 100 * demo.dice(n, 5, 400),
           demo.dice(n, 6, 2000),
           r NOT BETWEEN 60 AND 79,
           r BETWEEN 80 AND 89,
           r < 28,
           CASE WHEN r < 28 THEN now() - interval '14 days' END,
           CASE
               WHEN r < 8 OR r = 24 THEN now() - (r + 1) * interval '50 minutes'
               WHEN r IN (8, 9, 16, 17) THEN now() + interval '2 days'
               WHEN r < 24 THEN now() + (r + 2) * interval '1 day'
           END,
           r BETWEEN 30 AND 41,
           CASE
               WHEN r BETWEEN 30 AND 33 THEN now() - (r - 29) * interval '70 minutes'
               WHEN r BETWEEN 34 AND 41 THEN now() + r * interval '1 day'
           END,
           CASE WHEN r BETWEEN 30 AND 41 THEN r - 29 END,
           now() - (90 + demo.dice(n, 7, 300)) * interval '1 day',
           now() - demo.dice(n, 8, 5000000) * interval '1 second',
           CASE
               WHEN r = 24 THEN now() - interval '1 day'
               WHEN r BETWEEN 44 AND 49 THEN now() - (31 + 5 * (r - 44)) * interval '1 day'
               WHEN r BETWEEN 50 AND 54 THEN now() - 5 * (r - 49) * interval '1 day'
           END
    FROM generate_series(CAST(:first AS bigint), :last) AS n
    CROSS JOIN (VALUES (CAST(:people AS bigint[]), CAST(:providers AS bigint[]))) AS given(people, providers)
    CROSS JOIN LATERAL (SELECT (n - :first) / 200, (n - :first) % 200, 2008 + demo.dice(n, 9, 18)) AS place(block, r, year)
    CROSS JOIN LATERAL (SELECT CASE WHEN n % 5 = 4 THEN 8 + n / 5 % 4 ELSE n % 8 END) AS owner(who)
    JOIN (VALUES
        (0, 'Toyota Corolla', 'تويوتا كورولا', 'toyota-corolla'),
        (1, 'Kia Rio', 'كيا ريو', 'kia-rio'),
        (2, 'Hyundai Tucson', 'هيونداي توسان', 'hyundai-tucson'),
        (3, 'Škoda Octavia', 'سكودا أوكتافيا', 'skoda-octavia'),
        (4, 'Mercedes-Benz C 200', 'مرسيدس سي ٢٠٠', 'mercedes-benz-c-200'),
        (5, 'Nissan Sunny', 'نيسان صني', 'nissan-sunny'),
        (6, 'Peugeot 206', 'بيجو ٢٠٦', 'peugeot-206')
    ) AS car(number, english, arabic, slug) ON car.number = demo.dice(n, 10, 7)
    ORDER BY n
    RETURNING id, deleted_at <= now() - interval '30 days' AS doomed
    """
)


@dataclass(frozen=True, slots=True)
class Arrived:
    """The ids of the listings that came, in their order; `doomed`: of those that have been in the
    trash for over 30 days.
    """

    listings: list[int]
    doomed: list[int]


def arrive(session: Session, first: int, last: int) -> Arrived:
    """Make the blocks with the numbers `first` to `last`, counted from 0; none of them may be
    there.
    """
    # A sequence is read in the order of ORDER BY, so sorted ids are in the order of the numbers.
    people = sorted(
        session.scalars(MAKE_PEOPLE, {"first": first * PEOPLE, "last": (last + 1) * PEOPLE - 1}),
    )
    providers = sorted(session.scalars(MAKE_PROVIDERS, {"people": people, "first_person": first * PEOPLE}))
    rows = session.execute(
        MAKE_LISTINGS,
        {"first": first * LISTINGS, "last": (last + 1) * LISTINGS - 1, "people": people, "providers": providers},
    ).all()
    return Arrived(sorted(row.id for row in rows), sorted(row.id for row in rows if row.doomed))
