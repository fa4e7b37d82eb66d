from django.contrib import admin
from django.urls import path

from bookshop.views import buy

urlpatterns = [path("admin/", admin.site.urls), path("books/<int:book_id>/buy", buy)]
