"""The admin's door: a password, and where ADMIN_TOTP asks for it a second factor; who has none sets it up first."""

import base64
from typing import Any, cast

import segno
from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django_otp import login as note_device
from django_otp.forms import OTPAuthenticationFormMixin
from django_otp.plugins.otp_totp.models import TOTPDevice

from lumi.accounts import second_factor
from lumi.accounts.models import User

WRONG = _("This code is wrong. Please take the newest one from the app, or a recovery code that was not used yet.")
WORDS = {
    "scan": _("Scan this with an authenticator app, then enter the code that the app shows."),
    "picture": _("QR code with the key for the app"),
    "type": _("Or type this key into the app:"),
    "code": _("Code from your authenticator app"),
    "confirm": _("Confirm"),
    "codes": _(
        "Your recovery codes. Each works once, instead of the app's code. Keep them safe: they are shown only now."
    ),
    "on": _("I have kept them. Go on to the admin."),
    "left": _("Recovery codes that are left"),
    "again": _("Make new recovery codes; the ones before stop working"),
}


class CodeField(forms.CharField):
    """A code from the app, or a recovery code; spaces do no harm."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.TextInput(attrs={"autocomplete": "one-time-code"})
        super().__init__(label=WORDS["code"], max_length=32, widget=widget, **kwargs)

    def to_python(self, value: Any) -> str:
        """Without spaces, in lower case."""
        return "".join(str(super().to_python(value) or "").split()).lower()


class StaffSignInForm(OTPAuthenticationFormMixin, AdminAuthenticationForm):
    """Password and code. Whoever has no second factor yet comes in without, and then as far as setting it up."""

    submit = _("Log in")
    otp_token = CodeField(required=False)
    otp_error_messages = OTPAuthenticationFormMixin.otp_error_messages | {
        "token_required": _("Please enter the code from your authenticator app as well."),
        "invalid_token": WRONG,
        "device_required": WRONG,  # a recovery code of somebody who has none
    }

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError."""
        found: dict[str, Any] = super().clean()
        user = self.get_user()
        if user is not None and second_factor.is_set_up(user):
            device = second_factor.device_for(user, found.get("otp_token", ""))
            self.cleaned_data["otp_device"] = device.persistent_id if device else ""
            self.clean_otp(user)
        return found


class SetUpForm(forms.Form):
    """The app's first code."""

    code = CodeField()


class StaffSite(admin.AdminSite):
    """Django's admin site. Without ADMIN_TOTP it is just that."""

    @property
    def login_form(self) -> type[AdminAuthenticationForm] | None:  # type: ignore[override]
        """None: Django's own."""
        return StaffSignInForm if settings.ADMIN_TOTP else None

    @property
    def login_template(self) -> str | None:  # type: ignore[override]
        """None: Django's own."""
        return "accounts/staff_sign_in.html" if settings.ADMIN_TOTP else None

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff, with both factors where both are asked for."""
        return super().has_permission(request) and (not settings.ADMIN_TOTP or cast("Any", request.user).is_verified())

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """One page more."""
        return [path("second-factor/", self.second_factor_page, name="second-factor"), *super().get_urls()]

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """To the second factor, for whoever has come with a password and has none."""
        if settings.ADMIN_TOTP and super().has_permission(request) and not second_factor.is_set_up(who(request)):
            return redirect("admin:second-factor")
        return super().login(request, extra_context)

    @method_decorator([never_cache, csrf_protect])
    def second_factor_page(self, request: HttpRequest) -> HttpResponse:
        """Set it up; later on, get new recovery codes."""
        if not settings.ADMIN_TOTP:
            raise Http404
        if self.has_permission(request):
            codes = second_factor.new_recovery_codes(who(request)) if request.method == "POST" else None
            return self.page(request, codes=codes)
        if not super().has_permission(request) or second_factor.is_set_up(who(request)):
            return redirect("admin:login")
        return self.set_up(request)

    def set_up(self, request: HttpRequest) -> HttpResponse:
        """Show the app its key; the app's first code puts it in use."""
        if request.method != "POST":
            return self.page(request, device=second_factor.pending(who(request)))
        form = SetUpForm(request.POST)
        device = second_factor.confirm(who(request), form.cleaned_data["code"]) if form.is_valid() else None
        if device is None:
            return self.page(request, device=second_factor.pending(who(request)), error=WRONG)
        note_device(request, device)
        return self.page(request, codes=second_factor.new_recovery_codes(who(request)))

    def page(self, request: HttpRequest, *, device: TOTPDevice | None = None, **context: Any) -> HttpResponse:
        """`device`: the one to be set up; without it the second factor is in use. `codes`: shown this once."""
        context |= {
            **self.each_context(request),
            "title": _("Second factor"),
            "words": WORDS,
            "picture": picture_of(device) if device else None,
            "secret": secret_of(device) if device else None,
            "left": second_factor.count_recovery_codes(who(request)),
        }
        return TemplateResponse(request, "accounts/second_factor.html", context)


def who(request: HttpRequest) -> User:
    """The person, where nobody else has got so far."""
    return cast("User", request.user)


def picture_of(device: TOTPDevice) -> SafeString:
    """The key as a QR code: SVG, drawn here."""
    code = segno.make(device.config_url, error="m")
    return mark_safe(code.svg_inline(scale=5, border=4, light="#fff", dark="#000"))  # noqa: S308  squares, no text


def secret_of(device: TOTPDevice) -> str:
    """The key as it is typed by hand: base 32 in groups of four."""
    text = base64.b32encode(device.bin_key).decode()
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))
