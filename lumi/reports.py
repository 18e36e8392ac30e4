"""What Django's error pages may show of settings and of the environment."""

import re

from django.views.debug import SafeExceptionReporterFilter


class SecretFilter(SafeExceptionReporterFilter):
    """Hides addresses that bear a password, beside what Django hides by its name (keys, tokens, passwords)."""

    hidden_settings = re.compile(
        f"{SafeExceptionReporterFilter.hidden_settings.pattern}|(DATABASE|REDIS|EMAIL|BROKER)_URL|LOCATION",
        re.IGNORECASE,
    )
