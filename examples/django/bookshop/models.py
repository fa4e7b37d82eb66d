"""Two tables of the shop's own, which Django migrates and the admin shows as ever."""

from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=200)
    stock = models.PositiveIntegerField(default=0)
    sold = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.title


class Order(models.Model):
    book = models.ForeignKey(Book, on_delete=models.PROTECT)
    email = models.EmailField()
    made_at = models.DateTimeField(auto_now_add=True)
    receipt_sent_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.book} for {self.email}"
