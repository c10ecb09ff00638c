"""Makes the first administrator; changes nothing when that name exists.

Misago's own createsuperuser exits 0 even when it made nobody, and takes the password on the command
line. This one reads SUPERUSER_NAME, SUPERUSER_EMAIL and SUPERUSER_PASSWORD and exits 1 unless the
administrator is there afterwards.
"""

import os

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError
from misago.conf.shortcuts import get_dynamic_settings
from misago.users.setupnewuser import setup_new_user
from misago.users.validators import validate_email, validate_username


def required(name):
    """The environment variable of that name."""
    try:
        return os.environ[name]
    except KeyError:
        raise CommandError(f"environment variable {name} is not set") from None


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args, **options):
        name = required("SUPERUSER_NAME")
        email = required("SUPERUSER_EMAIL")
        password = required("SUPERUSER_PASSWORD")
        if self.find(name) is None and self.create(name, email, password):
            return
        user = self.find(name)
        if user is None:  # so the e-mail was in the way, not the name
            raise CommandError(f"{email} belongs to another account")
        if not user.is_superuser:
            raise CommandError(f"{name} exists but is no superuser")
        self.stdout.write(f"superuser {name} exists already")

    @staticmethod
    def find(name):
        return get_user_model().objects.filter(slug=name.lower()).first()

    def create(self, name, email, password):
        """Makes the account; False when another run was faster, or the e-mail address is taken."""
        User = get_user_model()
        settings = get_dynamic_settings()
        try:
            validate_username(settings, name)
            validate_email(email)
            validate_password(password, user=User(username=name, email=email))
            user = User.objects.create_superuser(name, email, password)
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        except IntegrityError:
            return False
        setup_new_user(settings, user)
        self.stdout.write(f"superuser {name} created, id {user.pk}")
        return True
