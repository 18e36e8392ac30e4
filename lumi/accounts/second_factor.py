"""What staff have beside their password: an authenticator app (TOTP), and recovery codes for the day it is lost.

Devices, checks and the growing pause after wrong codes are django-otp's. Who has no device yet may set one up with the
password alone, so staff should do that as soon as they have an account.
"""

from django.db import transaction
from django_otp import devices_for_user
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from lumi.accounts.models import User

RECOVERY_CODES = 10


def is_set_up(user: User) -> bool:
    """Whether the person has an app that has proved to work."""
    return TOTPDevice.objects.devices_for_user(user, confirmed=True).exists()


def pending(user: User) -> TOTPDevice:
    """The app that is being set up: its key stays the same until it has proved to work."""
    device, _ = TOTPDevice.objects.get_or_create(user=user, confirmed=False, defaults={"name": "app"})
    return device


def confirm(user: User, code: str) -> TOTPDevice | None:
    """The app, now in use, if it shows this code. None where it does not, or another one was faster."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
        if device is None or is_set_up(user) or not device.verify_token(code):
            return None
        device.confirmed = True
        device.save(update_fields=["confirmed"])
    return device


def new_recovery_codes(user: User) -> list[str]:
    """Codes that work once each; the ones before are void."""
    codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        device, _ = StaticDevice.objects.get_or_create(user=user, defaults={"name": "recovery codes"})
        device.token_set.all().delete()
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def count_recovery_codes(user: User) -> int:
    """How many are left."""
    return StaticToken.objects.filter(device__user=user).count()


def device_for(user: User, code: str) -> TOTPDevice | StaticDevice | None:
    """What a code is to be checked with: the app's are digits, recovery codes are not only."""
    kind = TOTPDevice if code.isascii() and code.isdigit() else StaticDevice
    found: TOTPDevice | StaticDevice | None = kind.objects.devices_for_user(user, confirmed=True).first()
    return found


def reset(user: User) -> int:
    """Forget all of it, also where it has let somebody in; how many devices there were."""
    devices = list(devices_for_user(user, confirmed=None))
    for device in devices:
        device.delete()
    return len(devices)
