"""`manage.py staff_otp reset EMAIL`: for staff who have lost their authenticator app and their recovery codes."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from lumi.accounts import second_factor
from lumi.accounts.models import User


class Command(BaseCommand):
    """One verb so far."""

    help = "Second factors of staff. reset: forget one; the person sets up a new one at the next sign-in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """`reset EMAIL`."""
        parser.add_argument("verb", choices=["reset"])
        parser.add_argument("email")

    def handle(self, *, email: str, **options: Any) -> None:
        """Raises CommandError for an unknown address."""
        try:
            person = User.objects.get_by_natural_key(email)
        except User.DoesNotExist as error:
            raise CommandError(f"Nobody has the address {email}.") from error
        if second_factor.reset(person):
            self.stdout.write("The second factor is forgotten. Its sessions in the admin are over.")
        else:
            self.stdout.write("There was no second factor.")
