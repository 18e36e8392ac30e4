"""What hangs on people: what lets them in, which staff can end, and what they were told, which is for looking."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from lumi.accounts import sessions, tokens
from lumi.accounts.admin.finding import RowsOfPeople
from lumi.accounts.models import ApiToken, EmailVerificationCode, Notice, Session, Strike
from lumi.admin import ReadOnly

admin.site.unregister([TOTPDevice, StaticDevice])  # they would show the keys of others


class RevokedHere(RowsOfPeople):
    """What lets people in: staff look at it, and can end it."""

    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whoever may change people."""
        return request.user.has_perm("accounts.change_user")

    def end(self, rows: QuerySet[Any]) -> int:
        """End these; how many were live."""
        raise NotImplementedError

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """They let nobody in any more."""
        chosen = list(queryset)
        count = self.end(queryset)
        for row in chosen:
            self.log_change(request, row, "revoked")
        sentence = ngettext("%(count)d was revoked.", "%(count)d were revoked.", count)
        self.message_user(request, sentence % {"count": count}, messages.SUCCESS)


@admin.register(Session)
class SessionAdmin(RevokedHere):
    """Sign-ins. On what device is the person's affair."""

    list_display = ("user", "created_at", "last_used_at", "expires_at", "ended_at")
    list_filter = ("created_at", ("ended_at", admin.EmptyFieldListFilter))
    fields = list_display

    def end(self, rows: QuerySet[Session]) -> int:
        """Sign them out."""
        return sessions.end(sessions=rows)


@admin.register(ApiToken)
class ApiTokenAdmin(RevokedHere):
    """Scripts' tokens, without the hash."""

    list_display = ("name", "user", "scopes", "created_at", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("created_at", ("revoked_at", admin.EmptyFieldListFilter))
    fields = list_display

    def end(self, rows: QuerySet[ApiToken]) -> int:
        """They stop working."""
        return tokens.revoke(tokens=rows)


@admin.register(EmailVerificationCode)
class CodeAdmin(ReadOnly):
    """Codes to look at, to see why somebody cannot sign in. The hash is not among what is shown."""

    list_display = ("email", "purpose", "created_at", "expires_at", "attempts", "used_at")
    list_filter = ("purpose", "created_at")
    search_fields = ("email__istartswith",)
    ordering = ("-id",)
    fields = list_display


@admin.register(Strike)
class StrikeAdmin(RowsOfPeople):
    """Warnings that people were given."""

    list_display = ("created_at", "user", "reason", "about", "given_by")
    fields = list_display


@admin.register(Notice)
class NoticeAdmin(RowsOfPeople):
    """What people were told, and whether the mail has gone."""

    list_display = ("created_at", "user", "kind", "name", "reason", "read_at", "mail_at", "mail_tries")
    list_filter = ("kind", ("mail_at", admin.EmptyFieldListFilter))
    fields = (*list_display, "about")
