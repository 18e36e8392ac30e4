"""All that there is to know of a person, for their page: numbers from every room, and the newest rows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from lumi.accounts.models import ApiToken, Notice, Session, Strike, User
from lumi.models import AuditEntry

MOST_LINES = 10


def overview_of(request: HttpRequest, person: User) -> dict[str, Any]:
    """`facts`: label, value and link; `tables`: title, link to the whole list, heads and rows."""
    facts = [fact for slot in settings.PERSON_FACTS for fact in import_string(slot)(person.pk)]
    tables = [strikes_of(person), notices_of(person), sessions_of(person), tokens_of(person)]
    if request.user.has_perm("lumi.view_auditentry"):
        tables.append(trail_of(person))
    return {"facts": facts, "tables": tables}


def table(title: Any, rows: Any, columns: dict[str, Any], link: str = "") -> dict[str, Any]:
    """The newest rows. `columns`: heads by the name of the field."""
    lines = [[getattr(row, name) for name in columns] for row in rows[:MOST_LINES]]
    return {"title": title, "heads": list(columns.values()), "rows": lines, "link": link}


def list_of(name: str, person: User) -> str:
    """The whole list of a person's rows."""
    return f"{reverse(f'admin:accounts_{name}_changelist')}?{urlencode({'user__id__exact': person.pk})}"


def strikes_of(person: User) -> dict[str, Any]:
    """Warnings."""
    rows = Strike.objects.filter(user=person).order_by("-created_at")
    columns = {"created_at": _("created"), "reason": _("reason"), "about": _("about"), "given_by": _("given by")}
    return table(_("strikes"), rows, columns, list_of("strike", person))


def notices_of(person: User) -> dict[str, Any]:
    """What they were told."""
    rows = Notice.objects.filter(user=person).order_by("-created_at", "-id")
    columns = {"created_at": _("created"), "kind": _("kind"), "name": _("name"), "reason": _("reason"),
               "read_at": _("read")}  # fmt: skip
    return table(_("notices"), rows, columns, list_of("notice", person))


def sessions_of(person: User) -> dict[str, Any]:
    """Where they are signed in."""
    rows = Session.objects.live().filter(user=person).order_by("-id")
    columns = {"created_at": _("created"), "last_used_at": _("last used"), "expires_at": _("expires")}
    return table(_("sessions"), rows, columns, list_of("session", person))


def tokens_of(person: User) -> dict[str, Any]:
    """What their scripts come in with."""
    rows = ApiToken.objects.kept().filter(user=person).order_by("-id")
    columns = {
        "name": _("name"),
        "created_at": _("created"),
        "last_used_at": _("last used"),
        "expires_at": _("expires"),
    }
    return table(_("API tokens"), rows, columns, list_of("apitoken", person))


def trail_of(person: User) -> dict[str, Any]:
    """What staff have done about them."""
    rows = AuditEntry.objects.filter(subject_type="user", subject_id=person.pk).order_by("-number")
    columns = {"at": _("at"), "action": _("what"), "actor": _("who"), "reason": _("why")}
    return table(_("audit trail"), rows, columns)
