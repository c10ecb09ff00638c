#!/usr/bin/env python
"""Runs one of the project's management commands: the Jobs, and an operator in a web pod."""

import os
import sys

from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wesago.settings")

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
