"""People, and what lets them in: sign-in codes, sessions, API tokens."""

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from lumi.accounts.addresses import one_spelling
from lumi.ids import IdField

TOMBSTONE = "deleted.person"  # an id that no gateway can name


class UserManager(BaseUserManager["User"]):
    """Makes people; an e-mail address is kept in its one spelling."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        """A new person, without a password unless one is given: people sign in by e-mail code."""
        user = self.model(email=one_spelling(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        """`manage.py createsuperuser`."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """The person with this address, whatever its case. Raises DoesNotExist."""
        try:
            return self.get(email=one_spelling(username or ""))
        except UnicodeError as error:  # no address at all
            raise self.model.DoesNotExist from error

    def tombstone(self) -> "User":
        """Whose is what deleted people have left to everybody. Nobody signs in as it. Made when it is first needed."""
        fields = {"email": "deleted@people.invalid", "is_active": False, "password": make_password(None)}
        return self.get_or_create(pk=TOMBSTONE, defaults=fields)[0]


class Leaving(models.TextChoices):
    """An account that is being deleted, and what becomes of its public models."""

    KEEP = "KEEP", _("public models stay, without a name")
    REMOVE = "REMOVE", _("nothing stays")


class User(AbstractBaseUser, PermissionsMixin):
    """A person. The e-mail address is the login name."""

    id = IdField()
    email = models.EmailField(_("e-mail"), max_length=254)
    name = models.CharField(_("name"), max_length=100, blank=True)
    avatar = models.CharField(_("avatar"), max_length=255, blank=True, help_text=_("storage key of the picture"))
    language = models.CharField(
        _("language of mails"), max_length=10, choices=settings.LANGUAGES, blank=True, help_text=_("empty: as asked")
    )
    is_staff = models.BooleanField(_("staff"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
    leaving = models.CharField(_("is being deleted"), max_length=10, choices=Leaving, blank=True, db_index=True)
    suspended_at = models.DateTimeField(_("suspended"), null=True, blank=True, db_index=True)
    requests_a_day = models.PositiveIntegerField(
        _("requests a day"), null=True, blank=True, help_text=_("empty: as the settings say; 0: none")
    )
    models_a_month = models.PositiveIntegerField(
        _("3D jobs a month"), null=True, blank=True, help_text=_("empty: as the settings say; 0: none")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        db_table = "users"
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(fields=["email"], name="users_email_unique"),
            models.CheckConstraint(condition=models.Q(email=Lower("email")), name="users_email_lower"),
        ]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="users_newest"),
            models.Index(fields=["name"], name="users_name"),
        ]
        permissions = [
            ("suspend_user", _("Can warn, suspend and restore people")),
            ("set_quota", _("Can change people's quotas")),
        ]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def shown_name(self) -> str:
        """What others see: the name, never the address."""
        if self.is_tombstone:
            return gettext("Deleted person")
        return self.name or f"Lumi {self.id[-6:]}"

    @property
    def is_tombstone(self) -> bool:
        """No person, but what is shown in their place."""
        return self.pk == TOMBSTONE


class Purpose(models.TextChoices):
    """What a code is for."""

    LOGIN = "LOGIN", _("log in")
    REGISTER = "REGISTER", _("register")
    CHANGE_EMAIL = "CHANGE_EMAIL", _("change the address")
    DELETE = "DELETE", _("delete the account")


class EmailVerificationCode(models.Model):
    """A six-digit code that was mailed; only its hash is kept. `user`: who asked, where only they can use it."""

    id = IdField()
    email = models.EmailField(_("e-mail"), max_length=254)
    user = models.ForeignKey(User, models.CASCADE, related_name="+", null=True, blank=True, verbose_name=_("user"))
    purpose = models.CharField(_("purpose"), max_length=20, choices=Purpose)
    code_hash = models.CharField(_("hash of the code"), max_length=128)
    expires_at = models.DateTimeField(_("expires"))
    attempts = models.PositiveSmallIntegerField(_("wrong guesses"), default=0)
    used_at = models.DateTimeField(_("used"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        db_table = "email_verification_codes"
        verbose_name = _("e-mail code")
        verbose_name_plural = _("e-mail codes")
        indexes = [
            models.Index(fields=["email", "created_at"], name="codes_email_created"),
            models.Index(fields=["expires_at"], name="codes_age"),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} {self.created_at:%Y-%m-%d %H:%M}"


class SessionQuerySet(models.QuerySet["Session"]):
    """Sessions, by what they still open."""

    def live(self) -> "SessionQuerySet":
        """Not ended. Whether the tokens have expired, they say themselves."""
        return self.filter(ended_at=None)

    def admitting(self) -> "SessionQuerySet":
        """Live ones of people who may come in, with the person: one statement."""
        return self.live().filter(user__is_active=True).select_related("user")


class Session(models.Model):
    """One sign-in, from the code to the logout. Its tokens name it; once it has ended, none of them works."""

    id = IdField()
    user = models.ForeignKey(User, models.CASCADE, related_name="sessions", verbose_name=_("user"))
    device = models.CharField(
        _("device"), max_length=200, blank=True, help_text=_("what the client calls itself; forgotten with the session")
    )
    refresh_jti = models.CharField(_("id of the refresh token"), max_length=32)
    previous_jti = models.CharField(_("id of the refresh token before it"), max_length=32, blank=True)
    rotated_at = models.DateTimeField(_("rotated"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    last_used_at = models.DateTimeField(_("last used"), auto_now_add=True, help_text=_("when it last got tokens"))
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    objects = SessionQuerySet.as_manager()

    class Meta:
        db_table = "sessions"
        verbose_name = _("session")
        verbose_name_plural = _("sessions")

    def __str__(self) -> str:
        return f"{self.user_id} {self.created_at:%Y-%m-%d %H:%M}"


class Scope(models.TextChoices):
    """What an API token may be allowed to do."""

    READ = "read", _("read")
    GENERATE = "generate", _("generate")
    PUBLISH = "publish", _("publish")


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Tokens, by what they still open."""

    def kept(self) -> "ApiTokenQuerySet":
        """Not revoked; perhaps expired."""
        return self.filter(revoked_at=None)

    def admitting(self) -> "ApiTokenQuerySet":
        """Neither revoked nor expired, of people who may come in, with the person: one statement."""
        return self.kept().filter(expires_at__gt=Now(), user__is_active=True).select_related("user")


class ApiToken(models.Model):
    """A script's key to some of what its owner may do. Only its hash is kept."""

    id = IdField()
    user = models.ForeignKey(User, models.CASCADE, related_name="api_tokens", verbose_name=_("user"))
    name = models.CharField(_("name"), max_length=100)
    scopes = models.JSONField(_("scopes"), help_text=_("some of: read, generate, publish"))
    token_hash = models.CharField(_("hash of the token"), max_length=64, unique=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, help_text=_("to the minute"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        db_table = "api_tokens"
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return self.name


class Strike(models.Model):
    """A warning that somebody was given by staff. Outlives the model that it was about."""

    id = IdField()
    user = models.ForeignKey(User, models.CASCADE, related_name="strikes", verbose_name=_("user"))
    reason = models.CharField(_("reason"), max_length=500, help_text=_("the person reads it"))
    about = models.CharField(_("about"), max_length=36, blank=True, help_text=_("the model's id"))
    given_by = models.CharField(_("given by"), max_length=120, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        db_table = "strikes"
        verbose_name = _("strike")
        verbose_name_plural = _("strikes")
        indexes = [models.Index(fields=["user", "-created_at"], name="strikes_of_user")]

    def __str__(self) -> str:
        return self.reason[:60]


class NoticeKind(models.TextChoices):
    """What somebody is told."""

    MODEL_HIDDEN = "MODEL_HIDDEN", _("your model was hidden")
    MODEL_RESTORED = "MODEL_RESTORED", _("your model is shown again")
    MODEL_REMOVED = "MODEL_REMOVED", _("your model was removed")
    MODEL_APPROVED = "MODEL_APPROVED", _("your model was approved")
    APPEAL_GRANTED = "APPEAL_GRANTED", _("your appeal was granted")
    APPEAL_REFUSED = "APPEAL_REFUSED", _("your appeal was refused")
    WARNING = "WARNING", _("a warning")
    SUSPENDED = "SUSPENDED", _("your account was suspended")
    RESTORED = "RESTORED", _("your account is open again")


class Notice(models.Model):
    """What a decision of staff tells a person: kept for them to read, and mailed by the sweep until that has worked or
    is given up."""

    id = IdField()
    user = models.ForeignKey(User, models.CASCADE, related_name="notices", verbose_name=_("user"))
    kind = models.CharField(_("kind"), max_length=20, choices=NoticeKind)
    about = models.CharField(_("about"), max_length=36, blank=True, help_text=_("the model's id"))
    name = models.CharField(_("name"), max_length=100, blank=True, help_text=_("the model's, at that time"))
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    mail_at = models.DateTimeField(
        _("to be mailed at"), null=True, blank=True, db_index=True, help_text=_("empty: it was, or was given up")
    )
    mail_tries = models.PositiveSmallIntegerField(_("times it was tried"), default=0)

    class Meta:
        db_table = "notices"
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        indexes = [models.Index(fields=["user", "-created_at", "-id"], name="notices_of_user")]

    def __str__(self) -> str:
        return self.kind
