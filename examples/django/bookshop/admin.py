"""The admin, untouched."""

from django.contrib import admin

from bookshop.models import Book, Order

admin.site.register([Book, Order])
