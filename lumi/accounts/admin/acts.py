"""What staff do about people: each act on a page that says what it means and asks for the reason."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from lumi.accounts import conduct
from lumi.accounts.models import User

Words = Any  # text, or text that is translated when it is shown


class QuotaField(forms.IntegerField):
    """A number, or nothing."""

    def __init__(self, label: Words) -> None:
        help_text = _("empty: as the settings say; 0: none")
        super().__init__(label=label, help_text=help_text, min_value=0, max_value=conduct.MOST_QUOTA, required=False)


class ReasonForm(forms.Form):
    """Why; the person reads it."""

    reason = forms.CharField(
        label=_("reason"),
        max_length=conduct.MOST_CHARACTERS,
        widget=forms.Textarea({"rows": 3, "cols": 60}),
        help_text=_("the person reads it"),
    )


class RestoreForm(ReasonForm):
    """Good news need no reason."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = False


class QuotaForm(RestoreForm):
    """What a person may do. The reason is for the audit trail."""

    requests_a_day = QuotaField(_("requests a day"))
    models_a_month = QuotaField(_("3D jobs a month"))
    field_order = ("requests_a_day", "models_a_month", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = _("for the audit trail")


@dataclass(frozen=True)
class Act:
    """One thing that can be done about people: who may, what the page says, and the verb, which is given the member of
    staff, the person's id and what was filled in, and answers whether it changed anything."""

    name: str
    permission: str
    label: Words
    meaning: Words
    form: type[forms.Form]
    do: Callable[..., bool]
    suits: Callable[[User], bool] = lambda person: not person.leaving


def warn(*, by: User, **words: Any) -> bool:
    """Always something new."""
    conduct.warn(**words)
    return True


def set_quota(*, by: User, **words: Any) -> bool:
    """As often as it is asked for."""
    conduct.set_quota(**words)
    return True


ACTS = {
    act.name: act
    for act in (
        Act(
            "warn", "accounts.suspend_user", _("Warn"),
            _("They are told, by mail too, and it counts as a strike."),
            ReasonForm, warn,
        ),
        Act(
            "suspend", "accounts.suspend_user", _("Suspend"),
            _("All their sessions and API tokens end at once, their models are hidden from everybody, and what is "
              "under way for them is cancelled. They are told by mail."),
            ReasonForm, conduct.suspend, lambda person: not (person.suspended_at or person.leaving),
        ),
        Act(
            "restore", "accounts.suspend_user", _("Restore"),
            _("They can sign in again, and their models are shown as before. They are told by mail."),
            RestoreForm, conduct.restore, lambda person: not (person.is_active or person.leaving),
        ),
        Act(
            "quota", "accounts.set_quota", _("Quota"),
            _("So much can they do from now on."),
            QuotaForm, set_quota,
        ),
    )
}  # fmt: skip


def acts_for(staff: Any, person: User) -> list[Act]:
    """What this member of staff may do about this person now."""
    return [act for act in ACTS.values() if act.suits(person) and staff.has_perm(act.permission)]
