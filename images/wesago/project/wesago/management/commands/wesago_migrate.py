"""Brings the database to this image's schema: Django's migrate, made fit for a Job.

It waits for the database, refuses a read-only replica, and may run twice at once: the second run
waits for the first and finds nothing left to do.
"""

import gc
import time

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection

# any number, the same for every run
LOCK = 0x3E5A60

# Migrations build the same models over and over: with the default of 700 a sixth of the time goes
# to a collector that finds nothing. Costs memory, hence not switched off altogether.
COLLECT_EVERY = 50_000


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser):
        parser.add_argument("--wait", type=int, default=120, help="seconds for the database")

    def handle(self, *args, wait, **options):
        gc.freeze()
        gc.set_threshold(COLLECT_EVERY)
        self.connect(wait)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            if cursor.fetchone()[0]:
                raise CommandError("connected to a read-only replica, not to the primary")
            # freed with the session
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        call_command("migrate", interactive=False, verbosity=options["verbosity"])

    @staticmethod
    def connect(wait):
        """Connects to the database, trying again for `wait` seconds."""
        give_up = time.monotonic() + wait
        while True:
            try:
                connection.ensure_connection()
                return
            except OperationalError as error:
                connection.close()
                if time.monotonic() > give_up:
                    raise CommandError(f"no database within {wait} s: {error}") from error
                time.sleep(1)
