"""People for staff. Who is deleted here goes through the same door as somebody who goes by themselves."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import Form
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from lumi.accounts import erasure, sessions, tokens
from lumi.accounts.addresses import one_spelling
from lumi.accounts.models import TOMBSTONE, ApiToken, EmailVerificationCode, Session, User
from lumi.admin import ReadOnly, staff
from lumi.process import acting_as

admin.site.unregister([TOTPDevice, StaticDevice])  # they would show the keys of others


class AddressForm:
    """Forms that keep an address in its one spelling."""

    cleaned_data: dict[str, Any]

    def clean_email(self) -> str:
        """The address. Raises ValidationError."""
        try:
            return one_spelling(self.cleaned_data["email"])
        except UnicodeError as error:
            raise ValidationError(_("Please enter a complete e-mail address, like name@example.com.")) from error


class AddPersonForm(AddressForm, AdminUserCreationForm):
    """A new person; staff need a password for the admin, others sign in by code."""

    class Meta:
        model = User
        fields = ("email", "name")


class ChangePersonForm(AddressForm, UserChangeForm):
    """A known person."""

    class Meta:
        model = User
        fields = "__all__"
        field_classes: dict[str, type] = {}


@admin.register(User)
class PersonAdmin(UserAdmin):
    """People, found by address."""

    form = ChangePersonForm
    add_form = AddPersonForm
    list_display = ("email", "name", "is_active", "is_staff", "last_login", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser", "created_at")
    search_fields = ("=id", "email", "name")
    ordering = ("-created_at",)
    readonly_fields = ("id", "avatar", "leaving", "last_login", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "language", "avatar", "password")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Important dates"), {"fields": ("last_login", "created_at", "updated_at", "leaving")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")}),
    )

    actions = ("suspend",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """People; not what stands in the place of those who are gone."""
        found: QuerySet[User] = super().get_queryset(request)
        return found.exclude(pk=TOMBSTONE)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """What hangs on a person goes with them, their public models too."""
        return [str(obj) for obj in objs], {str(User._meta.verbose_name_plural): len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """With all that is theirs."""
        with acting_as(staff(request)):
            erasure.erase(person_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """With all that is theirs."""
        for person in list(queryset):
            self.delete_model(request, person)

    def save_model(self, request: HttpRequest, obj: User, form: Form, change: bool) -> None:
        """Clearing “active” is suspending."""
        super().save_model(request, obj, form, change)
        if not obj.is_active:
            sessions.suspend(people=User.objects.filter(pk=obj.pk))

    @admin.action(description=_("Suspend, and end all sessions and API tokens"), permissions=["change"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """They cannot come in any more."""
        chosen = list(queryset)
        count = sessions.suspend(people=queryset)
        LogEntry.objects.log_actions(str(request.user.pk), chosen, CHANGE, "suspended")
        sentence = ngettext("%(count)d person was suspended.", "%(count)d people were suspended.", count)
        self.message_user(request, sentence % {"count": count}, messages.SUCCESS)


class RevokedHere(ReadOnly):
    """What lets people in: staff look at it, and can end it."""

    list_select_related = ("user",)
    search_fields = ("=id", "=user__id", "user__email")
    ordering = ("-id",)
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
        LogEntry.objects.log_actions(str(request.user.pk), chosen, CHANGE, "revoked")
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
class CodeAdmin(admin.ModelAdmin):
    """Codes to look at, to see why somebody cannot sign in. The hash is not among what is shown."""

    list_display = ("email", "purpose", "created_at", "expires_at", "attempts", "used_at")
    list_filter = ("purpose", "created_at")
    search_fields = ("email",)
    ordering = ("-created_at",)
    fields = list_display

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: EmailVerificationCode | None = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: EmailVerificationCode | None = None) -> bool:
        """Nobody."""
        return False
