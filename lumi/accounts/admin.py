"""People for staff. Accounts are switched off here, never deleted: that would leave their files and running jobs."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from lumi.accounts.addresses import one_spelling
from lumi.accounts.models import EmailVerificationCode, User

# simplejwt registers these with the whole refresh token to read: who may look could sign in as anybody.
admin.site.unregister([OutstandingToken, BlacklistedToken])


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
    readonly_fields = ("id", "avatar", "last_login", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("id", "email", "name", "avatar", "password")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Important dates"), {"fields": ("last_login", "created_at", "updated_at")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")}),
    )

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Nobody: clear “active” instead."""
        return False


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
