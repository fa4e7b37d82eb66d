"""Django: what the README says works, the admin stays as it is, and a rollback forgets what was
dispatched in it.
"""

from fleet import wait_until
from newcomers import Newcomer

BUY = """
from django.test import Client
client = Client()
answers = [client.post("/books/1/buy", {"email": "reader@example.com"}).status_code for _ in range(4)]
print(*answers, client.get("/admin/login/").status_code)
"""

IN_TRANSACTIONS = """
from django.db import connection, connections, transaction
from bookshop.jobs import count_sale
from bookshop.models import Book
from forecourt import batch, chain

class Regret(Exception): ...

try:
    with transaction.atomic():
        count_sale.using(session=connection).dispatch(book_id=1)
        raise Regret
except Regret:
    pass

with transaction.atomic():
    try:
        with transaction.atomic():
            count_sale.using(session=connection).dispatch_many([{"book_id": 1}, {"book_id": 1}])
            raise Regret
    except Regret:
        count_sale.using(session=connections["default"], delay=3600).dispatch(book_id=1)

try:
    with transaction.atomic():
        transaction.set_rollback(True)
        count_sale.using(session=connection).dispatch(book_id=1)
except RuntimeError as error:
    print(error)

chain(count_sale.call(book_id=1)).dispatch(session=connection)
"""


def test_an_order_counts_its_sale_and_sends_its_receipt(newcomer: Newcomer) -> None:
    newcomer.follow()
    looking = newcomer.looking
    assert newcomer.type(f"python manage.py shell --verbosity 0 -c '{BUY}'").strip() == "200 200 200 409 200"
    wait_until(lambda: looking.count("done") == 6, what="two calls for each order")
    assert looking.rows("SELECT stock, sold FROM bookshop_book") == [(0, 3)]
    assert looking.rows("SELECT count(*), count(receipt_sent_at) FROM bookshop_order") == [(3, 3)]
    mails = [path.read_text() for path in (newcomer.folder / "var" / "mails").iterdir()]  # one file a second
    assert sum(mail.count("Subject: Your receipt") for mail in mails) == 3

    said = newcomer.type(f"python manage.py shell --verbosity 0 -c '{IN_TRANSACTIONS}'")
    assert "an error has spoilt Django's transaction" in said
    wait_until(lambda: looking.count("done") == 7)
    assert (looking.live(), looking.count("scheduled")) == (1, 1), "what was rolled back is forgotten"
