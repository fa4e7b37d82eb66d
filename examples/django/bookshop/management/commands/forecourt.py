"""`python manage.py forecourt ...`: Forecourt's command line with this project's settings."""

import sys

from django.core.management.base import BaseCommand

from forecourt.cli import main


class Command(BaseCommand):
    help = "Forecourt's command line: schedule, queue, up, doctor, ..."

    def run_from_argv(self, argv: list[str]) -> None:
        """Pass everything on as it was typed."""
        sys.argv = argv[1:]
        main()
