"""What a person has done and may do, as numbers. Rooms above know them: each is a callable that the settings name."""

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from lumi.accounts.models import User


def statistics_of(user: User) -> dict[str, int]:
    """Each number of ACCOUNT_STATISTICS under its name on the wire."""
    return {name: import_string(counter)(user) for name, counter in settings.ACCOUNT_STATISTICS.items()}


def quotas_of(user: User) -> dict[str, Any]:
    """Each quota of ACCOUNT_QUOTAS under its name on the wire: `limit` and `used`, or None where there is no limit."""
    return {name: import_string(use)(user) for name, use in settings.ACCOUNT_QUOTAS.items()}
