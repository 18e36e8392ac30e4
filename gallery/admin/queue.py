"""The moderation queue: what waits, a page at a time. A page begins after the last row of the one before it, so that
the last page costs no more than the first, and nothing is counted but the first hundred."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple, cast

from django.core.exceptions import ValidationError
from django.db.models import Field, Q, QuerySet
from django.db.models import Model as Row
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.timezone import is_naive
from django.utils.translation import gettext_lazy as _

from gallery.admin.cards import Card, cards_for
from gallery.admin.verbs import MODERATE
from gallery.models import Appeal, Model, Moderation
from lumi.errors import Invalid

PAGE = 24
MOST_COUNTED = 100


class Tab(NamedTuple):
    """`order`: two fields, of which the second is unique, as an index has them. `model_of`: a row's model."""

    name: str
    label: Promise
    empty: Promise
    needs: str
    rows: Callable[[], QuerySet[Any]]
    order: tuple[str, str]
    model_of: Callable[[Any], Model] = lambda row: row


def owned() -> QuerySet[Model]:
    """Models with their owners; those of suspended people are out of sight already."""
    return Model.objects.select_related("owner").exclude(moderation=Moderation.SUSPENDED)


def open_appeals() -> QuerySet[Appeal]:
    """Appeals with what they are about."""
    return Appeal.objects.filter(state=Appeal.State.OPEN).select_related(
        "decision__model__owner", "decision__decided_by"
    )


TABS = {
    tab.name: tab
    for tab in (
        Tab(
            "new", _("New"), _("Nothing new: everything that was published has been looked at."), "gallery.view_model",
            lambda: owned().filter(review_since__isnull=False), ("review_since", "id"),
        ),
        Tab(
            "reported", _("Reported"), _("Nobody has reported anything."), "gallery.view_report",
            lambda: owned().filter(open_reports__gt=0), ("-open_reports", "id"),
        ),
        Tab(
            "hidden", _("Hidden"), _("Nothing is hidden."), "gallery.view_model",
            lambda: owned().filter(moderation=Moderation.HIDDEN), ("-updated_at", "-id"),
        ),
        Tab(
            "appeals", _("Appeals"), _("No appeal is open."), "gallery.view_appeal",
            open_appeals, ("created_at", "id"), lambda appeal: appeal.decision.model,
        ),
    )
}  # fmt: skip


class Page(NamedTuple):
    """`next`: where the next page begins, "" after the last one."""

    cards: list[Card]
    next: str


def tabs_for(user: Any) -> list[Tab]:
    """Those that this member of staff may look at."""
    return [tab for tab in TABS.values() if user.has_perm(tab.needs)]


def counts(tabs: list[Tab]) -> list[tuple[Tab, str]]:
    """How much waits behind each, up to a hundred."""
    found = [(tab, tab.rows().order_by(*tab.order)[:MOST_COUNTED].count()) for tab in tabs]
    return [(tab, f"{many}+" if many == MOST_COUNTED else str(many)) for tab, many in found]


def page_of(tab: Tab, after: str, request: HttpRequest) -> Page:
    """The cards that come after a place in the queue ("": from its beginning). Raises Invalid for what is no place."""
    found = list(rows_after(tab, after).order_by(*tab.order)[: PAGE + 1])
    rows, more = found[:PAGE], found[PAGE:]
    cards = cards_for([tab.model_of(row) for row in rows], request)
    if tab.name == "appeals":
        for card, appeal in zip(cards, rows, strict=True):
            with_appeal(card, appeal, request.user)
    return Page(cards, place_of(tab, rows[-1]) if more else "")


def with_appeal(card: Card, appeal: Appeal, user: Any) -> None:
    """What is appealed against, and whether this member of staff may decide: never on their own decision."""
    card.appeal, card.decision = appeal, appeal.decision
    card.may_answer = may_answer(user, appeal)


def may_answer(user: Any, appeal: Appeal) -> bool:
    """An open appeal, against somebody else's decision."""
    is_own = appeal.decision.decided_by_id == user.pk
    return appeal.state == Appeal.State.OPEN and not is_own and user.has_perm(MODERATE)


def place_of(tab: Tab, row: Row) -> str:
    """Where the queue goes on after a row."""
    field, tie = (cast("Field[Any, Any]", row._meta.get_field(name.lstrip("-"))) for name in tab.order)
    return f"{field.value_to_string(row)}~{tie.value_to_string(row)}"


def rows_after(tab: Tab, place: str) -> QuerySet[Any]:
    """The rows that come after a place. Raises Invalid."""
    rows = tab.rows()
    if not place:
        return rows
    said, _tilde, tie = place.rpartition("~")
    (name, direction), (tie_name, tie_direction) = map(compared, tab.order)
    value = value_from(rows.model._meta.get_field(name), said)
    later = Q(**{f"{name}__{direction}": value}) | Q(**{name: value, f"{tie_name}__{tie_direction}": tie})
    return rows.filter(later, **{f"{name}__{direction}e": value})  # said twice: the second is what an index understands


def value_from(field: Any, said: str) -> Any:
    """A field's value, as `value_to_string` has written it. Raises Invalid."""
    try:
        value = field.to_python(said)
    except ValidationError as error:
        raise Invalid from error
    if isinstance(value, datetime) and is_naive(value):
        raise Invalid
    return value


def compared(ordered: str) -> tuple[str, str]:
    """A field, and how what comes later compares with it."""
    return (ordered[1:], "lt") if ordered.startswith("-") else (ordered, "gt")
