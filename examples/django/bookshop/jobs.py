"""The shop's jobs. Views import and dispatch them; workers import them through `bookshop.night`."""

from typing import Any

import psycopg
from django.core.mail import send_mail
from django.utils import timezone

from bookshop.models import Book, Order
from forecourt import job


@job(tries=5, backoff=[10, 60, 600])
def send_receipt(order_id: int) -> dict[str, bool]:
    """With the ORM, on Django's own connection: runs at least once, so it looks whether it did its
    work already.
    """
    order = Order.objects.select_related("book").get(id=order_id)
    if order.receipt_sent_at is None:
        send_mail("Your receipt", f"One {order.book.title}. Thank you!", "shop@example.com", [order.email])
        Order.objects.filter(id=order_id).update(receipt_sent_at=timezone.now())
    return {"sent": True}


@job
def count_sale(connection: psycopg.Connection[Any], book_id: int) -> None:
    """With the worker's connection: the count is committed together with the end of the call,
    exactly once.
    """
    connection.execute("UPDATE bookshop_book SET sold = sold + 1 WHERE id = %s", (book_id,))


@job
def remind_of_empty_shelves() -> dict[str, int]:
    return {"empty": Book.objects.filter(stock=0).count()}
