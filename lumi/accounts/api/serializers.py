"""Accounts on the wire."""

from typing import Any

from django.conf import settings
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from lumi.accounts.addresses import one_spelling
from lumi.accounts.models import ApiToken, Leaving, Notice, NoticeKind, Purpose, Scope, Session, User
from lumi.accounts.notices import sentence
from lumi.accounts.statistics import quotas_of, statistics_of
from lumi.accounts.tokens import FORM, MOST_DAYS
from lumi.api.fields import FileUrlField, StrictIntegerField, StrictTextField, TimestampField


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
    """What a code is for that anybody may ask for; lower case will do."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=[Purpose.LOGIN.value, Purpose.REGISTER.value], **kwargs)

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


class LanguageField(serializers.ChoiceField):
    """A language that Lumi speaks, or null."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = "In which mails are written; null: in that of whoever asks for them."
        super().__init__(
            choices=[code for code, _name in settings.LANGUAGES], allow_null=True, help_text=help_text, **kwargs
        )

    def to_internal_value(self, data: Any) -> str:
        """The language. Raises ValidationError."""
        if not isinstance(data, str):
            self.fail("invalid_choice", input=type(data).__name__)
        return super().to_internal_value(data)

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        """null for none."""
        return value or None


class EditMeSerializer(serializers.Serializer[Any]):
    """What a person changes of themselves; what is left away stays."""

    name = StrictTextField(
        max_length=100, required=False, allow_null=True, help_text="What others see; null: a name that Lumi makes up."
    )
    language = LanguageField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A name is one line; null is kept as ""."""
        return {field: " ".join((value or "").split()) for field, value in attrs.items()}


class AvatarSerializer(serializers.Serializer[Any]):
    """A picture: PNG, JPEG or WebP, at least 64 × 64 pixels. Its middle is kept, at most 512 pixels wide and high."""

    file = serializers.FileField()


class NewAddressSerializer(serializers.Serializer[Any]):
    """The address that the account shall have."""

    email = AddressField()


class LeaveSerializer(serializers.Serializer[Any]):
    """The code that was mailed to the account's address, and what becomes of the models in the gallery."""

    code = CodeField()
    publicModels = serializers.ChoiceField(
        [("keep", "keep"), ("remove", "remove")],
        source="public_models",
        help_text="`keep`: they stay in the gallery, without a name. `remove`: they go like all the rest.",
    )

    def validate_publicModels(self, value: str) -> Leaving:
        """As it is kept."""
        return Leaving[value.upper()]


class RefreshSerializer(serializers.Serializer[Any]):
    """A refresh token."""

    refreshToken = StrictTextField(max_length=4096, source="refresh_token")


QUOTA = {
    "type": ["object", "null"],
    "properties": {"limit": {"type": "integer"}, "used": {"type": "integer"}},
    "required": ["limit", "used"],
}


class UserSerializer(serializers.Serializer[User]):
    """A person, as they see themselves."""

    id = serializers.CharField()
    email = serializers.EmailField()
    name = serializers.CharField(source="shown_name")
    avatarUrl = FileUrlField(source="avatar", allow_null=True)
    language = LanguageField(read_only=True)
    createdAt = TimestampField(source="created_at")
    lastLoginAt = TimestampField(source="last_login", allow_null=True)
    isStaff = serializers.BooleanField(source="is_staff")
    statistics = serializers.SerializerMethodField()
    quota = serializers.SerializerMethodField(help_text="What they may do; null where there is no limit.")

    @extend_schema_field({
        "type": "object",
        "properties": {name: {"type": "integer"} for name in settings.ACCOUNT_STATISTICS},
        "required": list(settings.ACCOUNT_STATISTICS),
    })  # fmt: skip
    def get_statistics(self, user: User) -> dict[str, int]:
        """What they have done, as numbers."""
        return statistics_of(user)

    @extend_schema_field({
        "type": "object",
        "properties": dict.fromkeys(settings.ACCOUNT_QUOTAS, QUOTA),
        "required": list(settings.ACCOUNT_QUOTAS),
    })  # fmt: skip
    def get_quota(self, user: User) -> dict[str, Any]:
        """What they may do, and how much of it they have done."""
        return quotas_of(user)


class TokenPairSerializer(serializers.Serializer[Any]):
    """The access token, ready for the `Authorization` header, and the one that renews it."""

    token = serializers.CharField(help_text="“Bearer <jwt>”: the whole value of the Authorization header.")
    refreshToken = serializers.CharField(source="refresh_token")


class SignedInSerializer(TokenPairSerializer):
    """Tokens, and whose they are."""

    user = UserSerializer()


class MeSerializer(serializers.Serializer[Any]):
    """Whether the caller is signed in, and as whom."""

    status = serializers.ChoiceField(["authenticated", "unauthenticated"])
    user = UserSerializer(allow_null=True)


class SessionSerializer(serializers.Serializer[Session]):
    """One sign-in of the caller's."""

    id = serializers.CharField()
    device = serializers.CharField(help_text="What the client called itself when it signed in (User-Agent).")
    createdAt = TimestampField(source="created_at")
    lastUsedAt = TimestampField(source="last_used_at", help_text="When it last got tokens.")
    expiresAt = TimestampField(source="expires_at", help_text="When it ends, unless it gets tokens before.")
    isCurrent = serializers.SerializerMethodField(help_text="Whether this call was made in it.")

    def get_isCurrent(self, session: Session) -> bool:
        """Whether the caller is in it."""
        return bool(session == self.context["request"].auth)


class NoticeSerializer(serializers.Serializer[Notice]):
    """What a decision of staff tells the caller."""

    id = serializers.CharField()
    kind = serializers.ChoiceField(NoticeKind.choices)
    modelId = serializers.SerializerMethodField(help_text="The model that it is about. It may be gone.")
    modelName = serializers.SerializerMethodField(help_text="How it was called at that time.")
    message = serializers.SerializerMethodField(help_text="A sentence for the person who sees it.")
    reason = serializers.SerializerMethodField(help_text="In the words of staff.")
    createdAt = TimestampField(source="created_at")
    readAt = TimestampField(source="read_at", allow_null=True)

    def get_modelId(self, notice: Notice) -> str | None:
        """None where it is about no model."""
        return notice.about or None

    def get_modelName(self, notice: Notice) -> str | None:
        """None where it is about no model."""
        return notice.name or None

    def get_message(self, notice: Notice) -> str:
        """In the language of the call."""
        return sentence(notice)

    def get_reason(self, notice: Notice) -> str | None:
        """None where none was given."""
        return notice.reason or None


class ScopesField(serializers.ListField):
    """What a token may do: each once, in one order."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=serializers.ChoiceField(Scope.values), min_length=1, **kwargs)

    def to_internal_value(self, data: Any) -> list[str]:
        """The scopes. Raises ValidationError."""
        given = super().to_internal_value(data)
        return [scope for scope in Scope.values if scope in given]


SCOPES = (
    "`read`: see what the person sees. `generate`: requests and models from them, also to cancel and delete requests. "
    "`publish`: change, publish, upload and delete models, like and keep them. None includes another."
)


class NewApiTokenSerializer(serializers.Serializer[Any]):
    """A token to be made."""

    name = StrictTextField(max_length=100, help_text="What it is for, to know it again by.")
    scopes = ScopesField(help_text=SCOPES)
    expiresInDays = StrictIntegerField(
        min_value=1, max_value=MOST_DAYS, source="days", help_text="Days until it expires."
    )

    def validate_name(self, name: str) -> str:
        """A name is one line."""
        return " ".join(name.split())


class ApiTokenSerializer(serializers.Serializer[ApiToken]):
    """A token of the caller's, without what must stay secret."""

    id = serializers.CharField()
    name = serializers.CharField()
    scopes = ScopesField(help_text=SCOPES)
    createdAt = TimestampField(source="created_at")
    expiresAt = TimestampField(source="expires_at", help_text="It stays in the list afterwards, until it is revoked.")
    lastUsedAt = TimestampField(source="last_used_at", allow_null=True, help_text="To the minute.")


class CreatedApiTokenSerializer(ApiTokenSerializer):
    """A token, this once with its text."""

    secret = serializers.SerializerMethodField(
        help_text="The token itself, for “Authorization: Bearer lumi_…”. It is never shown again."
    )

    @extend_schema_field({
        "type": "string",
        "pattern": f"^{FORM.pattern}$",
        "example": "lumi_Zk3vVn0yqf1mT8sXH2dLr7cQwEo5uYbA9gJiKpN4x6U0a1b2c3d",
    })  # fmt: skip
    def get_secret(self, token: ApiToken) -> str:
        """What its owner must keep."""
        return str(self.context["text"])
