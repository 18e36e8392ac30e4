"""Accounts on the wire."""

from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from lumi.accounts.addresses import one_spelling
from lumi.accounts.models import Purpose, User
from lumi.accounts.statistics import statistics_of
from lumi.api.fields import FileUrlField, StrictTextField, TimestampField


class AddressField(StrictTextField, serializers.EmailField):
    """An e-mail address, in its one spelling."""

    default_error_messages = {"invalid": _("Please enter a complete e-mail address, like name@example.com.")}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=254, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The address. Raises ValidationError."""
        try:
            address = one_spelling(super().to_internal_value(data))
        except UnicodeError:
            self.fail("invalid")
        if not (address.isascii() and address.isprintable()):
            self.fail("invalid")
        return address


class CodeField(StrictTextField):
    """Six digits, the ones on every keyboard."""

    def __init__(self, **kwargs: Any) -> None:
        message = _("The code is six digits. Please take it from the newest mail.")
        super().__init__(validators=[RegexValidator(r"^[0-9]{6}\Z", message)], **kwargs)


class PurposeField(serializers.ChoiceField):
    """What a code is for; lower case will do."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=Purpose.values, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """The purpose. Raises ValidationError."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=type(data).__name__)
        return super().to_internal_value(data.strip().upper())


class SendCodeSerializer(serializers.Serializer[Any]):
    """Who wants a code, and what for."""

    email = AddressField()
    type = PurposeField()


class CodeSentSerializer(serializers.Serializer[Any]):
    """The same for every address."""

    message = serializers.CharField()
    expiresIn = serializers.IntegerField(help_text="Seconds for which the code is valid.")
    retryAfter = serializers.IntegerField(help_text="Seconds until another code can be asked for.")


class LoginSerializer(serializers.Serializer[Any]):
    """An address and the code that was mailed to it."""

    email = AddressField()
    code = CodeField()


class RegisterSerializer(LoginSerializer):
    """The same, and how to be called."""

    name = StrictTextField(
        max_length=100,
        required=False,
        allow_null=True,
        default=None,
        help_text="What others see. Without it: what stands before the @.",
    )

    def validate_name(self, name: str | None) -> str | None:
        """A name is one line."""
        return name and " ".join(name.split())


class RefreshSerializer(serializers.Serializer[Any]):
    """A refresh token."""

    refreshToken = StrictTextField(max_length=4096, source="refresh_token")


class UserSerializer(serializers.Serializer[User]):
    """A person, as they see themselves."""

    id = serializers.CharField()
    email = serializers.EmailField()
    name = serializers.CharField(source="shown_name")
    avatarUrl = FileUrlField(source="avatar", allow_null=True)
    createdAt = TimestampField(source="created_at")
    lastLoginAt = TimestampField(source="last_login", allow_null=True)
    isStaff = serializers.BooleanField(source="is_staff")
    statistics = serializers.SerializerMethodField()

    @extend_schema_field({
        "type": "object",
        "properties": {name: {"type": "integer"} for name in settings.ACCOUNT_STATISTICS},
        "required": list(settings.ACCOUNT_STATISTICS),
    })  # fmt: skip
    def get_statistics(self, user: User) -> dict[str, int]:
        """What they have done, as numbers."""
        return statistics_of(user)


class TokenPairSerializer(serializers.Serializer[Any]):
    """The access token, ready for the `Authorization` header, and the one that renews it."""

    token = serializers.CharField(help_text="“Bearer <jwt>”: the whole value of the Authorization header.")
    refreshToken = serializers.CharField(source="refresh_token")


class SessionSerializer(TokenPairSerializer):
    """Tokens, and whose they are."""

    user = UserSerializer()


class MeSerializer(serializers.Serializer[Any]):
    """Whether the caller is signed in, and as whom."""

    status = serializers.ChoiceField(["authenticated", "unauthenticated"])
    user = UserSerializer(allow_null=True)
