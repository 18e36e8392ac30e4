"""What `manage.py check --deploy` says of an installation that would quietly not do its work."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Info, Warning, register


@register(deploy=True)
def check_deployment(**_: Any) -> list[CheckMessage]:
    """W001: a database server, but no broker. W002: mails that nobody gets. W003: staff with a password alone. I001:
    offline providers."""
    return [message for wrong, message in FINDINGS if wrong()]


def has_no_broker() -> bool:
    """Other hosts may share the database, but the worker is in one process, and only `manage.py serve` has it."""
    return bool(settings.EMBEDDED_WORKER) and not settings.USES_SQLITE


def keeps_mails() -> bool:
    """Sign-in codes lie in a folder."""
    return str(settings.EMAIL_BACKEND).endswith("FolderBackend")


def has_one_factor() -> bool:
    """Whoever learns a staff member's password is in the admin."""
    return not settings.ADMIN_TOTP


def is_offline() -> bool:
    """Pictures and models come from the algorithms."""
    return "offline" in (settings.IMAGE_PROVIDERS[:1] + settings.MODEL_PROVIDERS[:1])


FINDINGS = (
    (
        has_no_broker,
        Warning("There is a database server but no broker.", hint="Set REDIS_URL and start workers.", id="lumi.W001"),
    ),
    (keeps_mails, Warning("Mails are written to a folder.", hint="Set EMAIL_URL.", id="lumi.W002")),
    (
        has_one_factor,
        Warning("Staff sign in with a password alone.", hint="Set LUMI_ADMIN_TOTP=true.", id="lumi.W003"),
    ),
    (is_offline, Info("The offline providers are in use.", hint="See LUMI_IMAGE_PROVIDERS.", id="lumi.I001")),
)
