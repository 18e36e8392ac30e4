"""What the staff's front page says of the gallery: what waits for a moderator, and what was published."""

from datetime import UTC, date, timedelta
from typing import Any

from django.db.models import CharField, Count, QuerySet, Value
from django.db.models.functions import Cast, TruncDate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.models import Appeal, Model, Moderation, Report, Visibility
from lumi.dashboard import Card, Chart, Figure, Tone, listed, midnight, on, per_day, worst

DAYS = 14
MODELS, QUEUE = "gallery_model_changelist", "gallery_model_queue"
PUBLISHED = "published"


def cards(request: HttpRequest) -> list[Card]:
    """For whoever may moderate. One statement."""
    if not request.user.has_perm("gallery.moderate_model"):
        return []
    today = timezone.now().date()
    found = tallies(today)
    return [moderation_card({what: many for (what, day), many in found.items() if not day}), published(found, today)]


def moderation_card(waiting: dict[str, int]) -> Card:
    """What waits for a moderator; each number leads to its part of the queue."""
    facts = {"reports": _("open reports"), "appeals": _("open appeals"), "review": _("models to look at"),
             "hidden": _("hidden")}  # fmt: skip
    tabs = {"reports": "reported", "appeals": "appeals", "review": "new", "hidden": "hidden"}
    figures = tuple(
        Figure(waiting.get(what, 0), listed(QUEUE, tab=tabs[what]), label, tone_of(what, waiting.get(what, 0)))
        for what, label in facts.items()
    )
    return Card("moderation", _("Moderation"), listed(QUEUE), worst(figure.tone for figure in figures), figures=figures)


def tone_of(what: str, many: int) -> Tone:
    """Whatever people wait for wants to be looked at; what is hidden does not."""
    return Tone.WARN if many and what != "hidden" else Tone.PLAIN


def published(found: dict[tuple[str, str], int], today: date) -> Card:
    """A bar for each of the last days (UTC)."""
    counted = {date.fromisoformat(day): many for (what, day), many in found.items() if what == PUBLISHED}
    week = sum(many for day, many in counted.items() if day > today - timedelta(days=7))
    return Card(
        "published",
        _("Published models"),
        link=listed(MODELS, visibility__exact=Visibility.PUBLIC),
        figures=(
            Figure(counted.get(today, 0), published_since(today), _("today")),
            Figure(week, published_since(today - timedelta(days=6)), _("in 7 days")),
        ),
        chart=Chart(
            _("Models published a day, those that are public now"),
            _("day"),
            ((_("models published"), Tone.OK),),
            per_day(counted, today, DAYS, published_on),
        ),
    )


def tallies(today: date) -> dict[tuple[str, str], int]:
    """How many reports, appeals and models wait or are hidden, under "reports", "appeals", "review" and "hidden" with
    ""; how many were published, by day. One statement, that reads nothing but the ends of indexes."""
    since = midnight(today - timedelta(days=DAYS - 1))
    public = Model.objects.filter(visibility=Visibility.PUBLIC, moderation=Moderation.VISIBLE, published_at__gte=since)
    day = Cast(TruncDate("published_at", tzinfo=UTC), CharField())
    parts = [
        counted(public, PUBLISHED, day),
        counted(Report.objects.filter(state=Report.State.OPEN), "reports"),
        counted(Appeal.objects.filter(state=Appeal.State.OPEN), "appeals"),
        counted(Model.objects.filter(review_since__isnull=False), "review"),
        counted(Model.objects.filter(moderation=Moderation.HIDDEN), "hidden"),
    ]
    return {(what, when): many for what, when, many in parts[0].union(*parts[1:], all=True)}


def counted(rows: QuerySet[Any], what: str, day: Any = None) -> Any:
    """Rows of name, day and how many; the day is "" where none is asked for."""
    named = rows.order_by().annotate(what=Value(what), day=day or Value("", output_field=CharField()))
    return named.values_list("what", "day").annotate(many=Count("pk"))


def published_since(day: date) -> str:
    """The list of what came since then."""
    return public_ones(published_at__gte=midnight(day))


def published_on(day: date) -> str:
    """The list of what came on that day."""
    return public_ones(**on(day, "published_at"))


def public_ones(**where: Any) -> str:
    """The list of what people see."""
    return listed(MODELS, visibility__exact=Visibility.PUBLIC, moderation__exact=Moderation.VISIBLE, **where)
