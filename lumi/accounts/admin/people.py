"""The people's desk. Who is deleted here goes through the same door as somebody who goes by themselves."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from lumi.accounts import erasure
from lumi.accounts.addresses import one_spelling
from lumi.accounts.admin.acts import ACTS, Act, acts_for
from lumi.accounts.admin.finding import ids_found
from lumi.accounts.admin.overview import overview_of
from lumi.accounts.models import TOMBSTONE, User
from lumi.admin import Desk, staff
from lumi.errors import LumiError
from lumi.process import acting_as

MOST_AT_ONCE = 50
FOR_SUPERUSERS = ("is_superuser", "user_permissions")


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


class StateFilter(admin.SimpleListFilter):
    """Who can come in, and why others cannot. By what an index answers also where nobody is in that state."""

    title, parameter_name = _("state"), "state"
    WAYS: dict[str, tuple[Any, dict[str, Any]]] = {
        "active": (_("active"), {"is_active": True}),
        "suspended": (_("suspended"), {"suspended_at__isnull": False}),
        "leaving": (_("is being deleted"), {"leaving__gt": ""}),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The choices."""
        return [(name, label) for name, (label, _fields) in self.WAYS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        """Those in the chosen state."""
        _label, fields = self.WAYS.get(self.value() or "", ("", {}))
        return queryset.filter(**fields)


@admin.register(User)
class PersonAdmin(Desk, UserAdmin):
    """People: found by id, address or name; everything about one on their page; what staff do about them."""

    form = ChangePersonForm
    add_form = AddPersonForm
    list_display = ("email", "name", "state", "strikes", "is_staff", "last_login", "created_at")
    list_filter = (StateFilter, "is_staff", "created_at")
    search_fields = ("id",)
    search_help_text = _("An id, an address, or the beginning of an address or a name.")
    ordering = ("-created_at", "-id")
    readonly_fields = (
        "id", "avatar", "is_active", "suspended_at", "requests_a_day", "models_a_month", "leaving", "last_login",
        "created_at", "updated_at",
    )  # fmt: skip
    looked_at = (
        (None, {"fields": ("id", "email", "name", "language", "avatar", "is_staff")}),
        (_("Account"), {"fields": ("is_active", "suspended_at", "leaving", "requests_a_day", "models_a_month")}),
        (_("Important dates"), {"fields": ("last_login", "created_at", "updated_at")}),
    )
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("id", "email", "name", "language", "avatar", "password")}),
        *looked_at[1:],
        (_("Permissions"), {"fields": ("is_staff", "is_superuser", "groups", "user_permissions")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "name", "usable_password", "password1", "password2")}),
    )
    actions = ("warn", "suspend", "restore")

    class Media:
        css = {"all": ["accounts/people.css"]}

    # --- The list -----------------------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        """People, with their strikes; not what stands in the place of those who are gone."""
        found: QuerySet[User] = super().get_queryset(request)
        return found.exclude(pk=TOMBSTONE).prefetch_related("strikes")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """Django's hook: the rows, and that none is there twice."""
        term = search_term.strip()
        return (queryset.filter(pk__in=ids_found(term)) if term else queryset), False

    @admin.display(description=_("state"))
    def state(self, person: User) -> Any:
        """In a word."""
        if person.leaving:
            return _("is being deleted")
        if person.suspended_at:
            return _("suspended")
        return _("active") if person.is_active else _("closed")

    @admin.display(description=_("strikes"))
    def strikes(self, person: User) -> int:
        """How many."""
        return len(person.strikes.all())

    # --- Who may do what ----------------------------------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """A superuser's account is another superuser's affair, or who may change people might take it over."""
        return super().has_change_permission(request, obj) and self.may_touch(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """As for changing."""
        return super().has_delete_permission(request, obj) and self.may_touch(request, obj)

    def may_touch(self, request: HttpRequest, obj: User | None) -> bool:
        """Whether the person is not above whoever asks."""
        return obj is None or not obj.is_superuser or request.user.is_superuser

    def has_suspend_permission(self, request: HttpRequest) -> bool:
        """For the actions of the list."""
        return request.user.has_perm("accounts.suspend_user")

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Who may only look sees neither what is about the password nor the flags of staff."""
        looks = obj is not None and not self.has_change_permission(request, obj)
        return self.looked_at if looks else super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        """Superusers are made by superusers."""
        is_superuser = request.user.is_superuser
        return self.readonly_fields if is_superuser else (*self.readonly_fields, *FOR_SUPERUSERS)

    # --- Deleting -----------------------------------------------------------------------------------------------------

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """What hangs on a person goes with them, their public models too."""
        lacking = {str(_("superuser")) for obj in objs if not self.may_touch(request, obj)}
        return [str(obj) for obj in objs], {str(User._meta.verbose_name_plural): len(objs)}, lacking, []

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        """With all that is theirs."""
        with acting_as(staff(request)):
            erasure.erase(person_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """With all that is theirs."""
        for person in list(queryset):
            self.delete_model(request, person)

    # --- One person ---------------------------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        """The acts, beside Django's own pages."""
        acts = path("act/<str:name>/", self.admin_site.admin_view(self.act_view), name="accounts_user_act")
        return [acts, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With all that there is to know of them, and what can be done about them."""
        person = self.get_object(request, object_id)
        if person is not None:
            buttons = [{"label": act.label, "link": act_link(act.name, [person.pk])}
                       for act in acts_for(request.user, person)]  # fmt: skip
            extra_context = {**(extra_context or {}), "buttons": buttons, **overview_of(request, person)}
        return super().change_view(request, object_id, form_url, extra_context)

    # --- Acts ---------------------------------------------------------------------------------------------------------

    @admin.action(description=_("Warn"), permissions=["suspend"])
    def warn(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask for the reason first."""
        return self.ask(request, "warn", queryset)

    @admin.action(description=_("Suspend"), permissions=["suspend"])
    def suspend(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask for the reason first."""
        return self.ask(request, "suspend", queryset)

    @admin.action(description=_("Restore"), permissions=["suspend"])
    def restore(self, request: HttpRequest, queryset: QuerySet[User]) -> HttpResponse | None:
        """Ask first."""
        return self.ask(request, "restore", queryset)

    def ask(self, request: HttpRequest, name: str, queryset: QuerySet[User]) -> HttpResponse | None:
        """To the page of an act, for so many people as one can have in view."""
        ids = list(queryset.values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(ids) <= MOST_AT_ONCE:
            return redirect(act_link(name, ids))
        sentence = _("Please choose at most %(most)s people at once.") % {"most": MOST_AT_ONCE}
        self.message_user(request, sentence, messages.ERROR)
        return None

    def act_view(self, request: HttpRequest, name: str) -> HttpResponse:
        """The page that says what an act means and asks for the reason; and the act."""
        act = ACTS.get(name)
        if act is None:
            raise Http404
        if not request.user.has_perm(act.permission):
            raise PermissionDenied
        people = list(self.get_queryset(request).filter(pk__in=request.GET.getlist("id")[:MOST_AT_ONCE]))
        if not people:
            self.message_user(request, _("There is no such person."), messages.ERROR)
            return redirect("admin:accounts_user_changelist")
        form = act.form(request.POST or None, initial=quota_of(people))
        if request.method == "POST" and form.is_valid():
            self.act_on(request, act, people, form)
            return back_to(people)
        return self.act_page(request, act, people, form)

    def act_page(self, request: HttpRequest, act: Act, people: list[User], form: Form) -> HttpResponse:
        """What it means, for whom, and the form."""
        context = self.admin_site.each_context(request)
        context |= {"title": act.label, "act": act, "people": people, "form": form, "opts": self.opts}
        context |= {"media": self.media}
        return TemplateResponse(request, "admin/accounts/user/act.html", context)

    def act_on(self, request: HttpRequest, act: Act, people: list[User], form: Form) -> None:
        """One after the other; what is refused for one does not hold up the others."""
        done = []
        for person in people:
            try:
                with acting_as(staff(request)):
                    changed = act.do(by=request.user, person_id=person.pk, **form.cleaned_data)
            except LumiError as error:
                self.message_user(request, f"{person}: {error.message}", messages.ERROR)
            else:
                done += [person] if changed else []
        LogEntry.objects.log_actions(str(request.user.pk), done, CHANGE, act.name)
        sentence = ngettext("Done for %(count)d person.", "Done for %(count)d people.", len(done))
        self.message_user(request, sentence % {"count": len(done)}, messages.SUCCESS if done else messages.WARNING)


def act_link(name: str, ids: list[str]) -> str:
    """The page of an act for these people."""
    return f"{reverse('admin:accounts_user_act', args=[name])}?{urlencode({'id': ids}, doseq=True)}"


def back_to(people: list[User]) -> HttpResponse:
    """The one person's page, or the list."""
    if len(people) == 1:
        return redirect("admin:accounts_user_change", people[0].pk)
    return redirect("admin:accounts_user_changelist")


def quota_of(people: list[User]) -> dict[str, Any]:
    """What the form of the quota begins with."""
    names = ("requests_a_day", "models_a_month")
    return {name: getattr(people[0], name) for name in names} if len(people) == 1 else {}
