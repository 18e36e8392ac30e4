"""People and their sign-in codes."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from lumi.accounts.addresses import one_spelling
from lumi.ids import IdField


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


class User(AbstractBaseUser, PermissionsMixin):
    """A person. The e-mail address is the login name."""

    id = IdField()
    email = models.EmailField(_("e-mail"), max_length=254)
    name = models.CharField(_("name"), max_length=100, blank=True)
    avatar = models.CharField(_("avatar"), max_length=255, blank=True, help_text=_("storage key of the picture"))
    is_staff = models.BooleanField(_("staff"), default=False)
    is_active = models.BooleanField(_("active"), default=True)
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

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def shown_name(self) -> str:
        """What others see: the name, never the address."""
        return self.name or f"Lumi {self.id[-6:]}"


class Purpose(models.TextChoices):
    """What a code is for."""

    LOGIN = "LOGIN", _("log in")
    REGISTER = "REGISTER", _("register")


class EmailVerificationCode(models.Model):
    """A six-digit code that was mailed; only its hash is kept."""

    id = IdField()
    email = models.EmailField(_("e-mail"), max_length=254)
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
        indexes = [models.Index(fields=["email", "created_at"], name="codes_email_created")]

    def __str__(self) -> str:
        return f"{self.purpose} {self.created_at:%Y-%m-%d %H:%M}"
