"""Buying a book: two calls, dispatched in the two ways that Django offers."""

from functools import partial

from django.db import connection, transaction
from django.db.models import F
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_POST

from bookshop.jobs import count_sale, send_receipt
from bookshop.models import Book, Order


@require_POST
def buy(request: HttpRequest, book_id: int) -> JsonResponse:
    with transaction.atomic():
        if not Book.objects.filter(id=book_id, stock__gt=0).update(stock=F("stock") - 1):
            return JsonResponse({"error": "sold out"}, status=409)
        order = Order.objects.create(book_id=book_id, email=request.POST["email"])

        # In this transaction: the order and the call are committed together, or neither is.
        count_sale.using(session=connection).dispatch(book_id=book_id)

        # After its commit, in one of its own: nothing holds the call if this process dies in
        # between.
        transaction.on_commit(partial(send_receipt.dispatch, order_id=order.id))
    return JsonResponse({"order": order.id})
