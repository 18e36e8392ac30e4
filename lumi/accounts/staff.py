"""The staff's room: its front page and its menu; and its door: a password, and where ADMIN_TOTP asks for it a second
factor; who has none sets it up first."""

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
from django.urls import NoReverseMatch, URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django_otp import login as note_device
from django_otp.forms import OTPAuthenticationFormMixin
from django_otp.plugins.otp_totp.models import TOTPDevice

from lumi import dashboard
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

FRONT_WORDS = {
    "refresh": _("Refresh"),
    "refreshed": _("Refreshed at"),
    "away": _("The server does not answer. What you see is of the time above; this page goes on trying."),
    "out": _("You are signed out: load this page again."),
    "table": _("As a table"),
    "nothing": _("There is nothing here that you may see. An administrator gives you a role."),
}
# The menu: by group, its name and what stands in it, in order: models, and pages by the name of their address with
# title and permission. What a room does not have, or a person may not see, is left out; what nobody names is SYSTEM's.
SYSTEM = "system"
MENU: dict[str, tuple[Any, list[Any]]] = {
    "moderation": (_("Moderation"), [
        ("admin:gallery_model_queue", _("Queue of models to look at"), "gallery.moderate_model"),
        "gallery.model", "gallery.report", "gallery.appeal", "gallery.decision", "lumi.filterrule",
        "interactions.modelinteraction",
    ]),
    "jobs": (_("Jobs"), [
        "generation.generationrequest", "generation.generatedimage", "generation.imagegenerationjob",
        "generation.modelgenerationjob", "generation.queuepause", "generation.jobevent",
    ]),
    "people": (_("People"), [
        "accounts.user", "accounts.strike", "accounts.notice", "accounts.session", "accounts.apitoken", "auth.group",
    ]),
    "money": (_("Money"), [
        ("admin:generation_providercall_costs", _("Costs"), "generation.view_providercall"), "generation.providercall",
    ]),
    SYSTEM: (_("System"), [
        "lumi.auditentry", "generation.breaker", "generation.providergate", "lumi.doomedfile",
        "accounts.emailverificationcode", ("docs", _("Pages of the API"), ""),
    ]),
}  # fmt: skip


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
    """Django's admin site, with a front page and a menu of its own."""

    index_title = _("Overview")
    site_url = None  # what people see is another program's

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

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """With the way to the second factor, where there is one."""
        second = (reverse("admin:second-factor"), _("Second factor")) if settings.ADMIN_TOTP else None
        return super().each_context(request) | {"second_factor_page": second}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """The menu; of one app: Django's list."""
        apps = super().get_app_list(request, app_label)
        return apps if app_label else menu(request, apps)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The cards of all rooms; with `?cards` nothing else, for the page to refresh itself."""
        more = {"cards": dashboard.cards(request), "now": timezone.now(), "front": FRONT_WORDS}
        if "cards" in request.GET:
            return TemplateResponse(request, "admin/cards.html", more)
        return super().index(request, more | (extra_context or {}))

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


def menu(request: HttpRequest, apps: list[Any]) -> list[dict[str, Any]]:
    """What the person may see of each group, shaped like Django's list of apps."""
    models = {f"{app['app_label']}.{one['object_name']}".lower(): one for app in apps for one in app["models"]}
    groups = {name: [entry_of(request, models, item) for item in items] for name, (_, items) in MENU.items()}
    groups[SYSTEM] += models.values()
    found = [
        {"app_label": name, "name": MENU[name][0], "has_module_perms": True, "models": [one for one in entries if one]}
        for name, entries in groups.items()
    ]
    mark_current(request.path, [one for group in found for one in group["models"]])
    return [group for group in found if group["models"]]


def entry_of(request: HttpRequest, models: dict[str, Any], item: Any) -> dict[str, Any] | None:
    """A line of the menu, taken out of the models where it is one."""
    return models.pop(item, None) if isinstance(item, str) else page_entry(request, *item)


def page_entry(request: HttpRequest, address: str, title: Any, permission: str) -> dict[str, Any] | None:
    """A page that is no list of a model; None where the person may not see it, or no room has it."""
    if permission and not request.user.has_perm(permission):
        return None
    try:
        return {"name": title, "object_name": address.replace(":", "-"), "admin_url": reverse(address), "add_url": None}
    except NoReverseMatch:
        return None


def mark_current(path: str, entries: list[dict[str, Any]]) -> None:
    """The line that this page belongs to: whose address is the longest beginning of the page's."""
    above = [entry for entry in entries if entry.get("admin_url") and path.startswith(entry["admin_url"])]
    for entry in sorted(above, key=lambda entry: len(entry["admin_url"]))[-1:]:
        entry["is_current"] = True


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
