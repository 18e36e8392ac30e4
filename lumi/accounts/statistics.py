"""What a person has done, as numbers. Rooms above know them: each is a callable that the settings name."""

from django.conf import settings
from django.utils.module_loading import import_string

from lumi.accounts.models import User


def statistics_of(user: User) -> dict[str, int]:
    """Each number of ACCOUNT_STATISTICS under its name on the wire."""
    return {name: import_string(counter)(user) for name, counter in settings.ACCOUNT_STATISTICS.items()}
