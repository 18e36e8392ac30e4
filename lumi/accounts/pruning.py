"""What let people in once, and what they have read (the ground's slot PRUNES, see `lumi.pruning`). Strikes stay."""

from datetime import datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session as StaffSession
from django.db.models import Q, QuerySet

from lumi.accounts.models import ApiToken, EmailVerificationCode, Notice, Session
from lumi.pruning import Heap

DAY = timedelta(days=1)


def prune() -> list[Heap]:
    """What may go."""
    return [
        # Codes of the last day are counted before another one is mailed.
        Heap("codes", "sign-in codes that have expired", 7 * DAY, old_codes, least=2 * DAY),
        Heap("sessions", "sign-ins that have ended or expired", 30 * DAY, old_sessions),
        Heap("tokens", "API tokens that were revoked or have expired", 30 * DAY, old_tokens),
        Heap("notices", "notices that were read", 180 * DAY, old_notices),
        Heap("staff-sessions", "staff's sign-ins to the admin that have expired", timedelta(), old_staff_sessions),
        Heap("admin-log", "Django's log of the admin (the audit trail stays)", 730 * DAY, old_admin_log),
    ]


def old_codes(before: datetime) -> QuerySet[EmailVerificationCode]:
    """Used or not."""
    return EmailVerificationCode.objects.filter(expires_at__lt=before)


def old_sessions(before: datetime) -> QuerySet[Session]:
    """By the day on which they opened nothing any more."""
    return Session.objects.filter(Q(ended_at__lt=before) | Q(expires_at__lt=before))


def old_tokens(before: datetime) -> QuerySet[ApiToken]:
    """By the day on which they opened nothing any more."""
    return ApiToken.objects.filter(Q(revoked_at__lt=before) | Q(expires_at__lt=before))


def old_notices(before: datetime) -> QuerySet[Notice]:
    """None that is still to be mailed."""
    return Notice.objects.filter(read_at__lt=before, mail_at=None)


def old_staff_sessions(before: datetime) -> QuerySet[StaffSession]:
    """As `manage.py clearsessions` has it."""
    return StaffSession.objects.filter(expire_date__lt=before)


def old_admin_log(before: datetime) -> QuerySet[LogEntry]:
    """Who changed what by a form."""
    return LogEntry.objects.filter(action_time__lt=before)
