"""Django's settings. Both sides use one database: the one that Forecourt's settings name, or its
private one on a laptop.
"""

import os
from pathlib import Path

from forecourt.database import database_url

BASE_DIR = Path(__file__).parent.parent
os.environ.setdefault("FORECOURT_APP", "bookshop.night:app")  # for `manage.py forecourt`, before its settings are read

_at = database_url()
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _at.database,
        "USER": _at.username or "",
        "PASSWORD": _at.password or "",
        "HOST": _at.host or _at.query.get("host", ""),
        "PORT": str(_at.port or _at.query.get("port", "")),
    }
}

SECRET_KEY = os.environ.get("DJANGO_SECRET_KEY", "only-for-a-laptop")
DEBUG = "DJANGO_SECRET_KEY" not in os.environ
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
ROOT_URLCONF = "bookshop.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "bookshop",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = BASE_DIR / "var" / "mails"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
