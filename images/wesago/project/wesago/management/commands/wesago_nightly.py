"""Does Misago's nightly work: old sessions, unread marks, attachments, accounts, data downloads.

Misago leaves this to a timer outside of it. One process for all of it: a start costs more than most
of the steps. A step that fails does not keep the others from running.
"""

import traceback

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

STEPS = [
    "deletemarkedusers",
    "deleteinactiveusers",
    "prunecategories",
    "buildactivepostersranking",
    "clearattachments",
    "clearnotifications",
    "clearreadtracker",
    "clearsessions",
    "clearsocial",
    "invalidatebans",
    "removeoldips",
    "expireuserdatadownloads",
    "prepareuserdatadownloads",
]


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args, **options):
        failed = [step for step in STEPS if not self.do(step)]
        if failed:
            raise CommandError(f"failed: {', '.join(failed)}")

    def do(self, step):
        """Runs one step; False and the reason on standard error when it fails."""
        self.stdout.write(f"nightly: {step}")
        try:
            call_command(step)
        except Exception:  # whatever it is, the other steps are to run
            self.stderr.write(f"nightly: {step} failed\n{traceback.format_exc()}")
            return False
        return True
