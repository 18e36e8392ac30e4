"""What the staff's front page says of people."""

from datetime import UTC, date, timedelta

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from lumi.accounts.models import TOMBSTONE, User
from lumi.dashboard import Card, Chart, Figure, Tone, listed, midnight, on, per_day

DAYS = 14
PEOPLE = "accounts_user_changelist"


def cards(request: HttpRequest) -> list[Card]:
    """Sign-ups, for whoever may see people. One statement."""
    return [sign_ups(timezone.now().date())] if request.user.has_perm("accounts.view_user") else []


def sign_ups(today: date) -> Card:
    """Today, within seven days, and a bar for each of the last days (UTC)."""
    counted = signed_up_since(today - timedelta(days=DAYS - 1))
    week = today - timedelta(days=6)
    return Card(
        "sign-ups",
        _("Sign-ups"),
        link=listed(PEOPLE),
        figures=(
            Figure(counted.get(today, 0), listed(PEOPLE, created_at__gte=midnight(today)), _("today")),
            Figure(
                sum(many for day, many in counted.items() if day >= week),
                listed(PEOPLE, created_at__gte=midnight(week)),
                _("in 7 days"),
            ),
        ),
        chart=Chart(
            _("Sign-ups a day"), _("day"), ((_("sign-ups"), Tone.OK),), per_day(counted, today, DAYS, people_of)
        ),
    )


def signed_up_since(day: date) -> dict[date, int]:
    """How many people have come, by day; read from an index."""
    people = User.objects.filter(created_at__gte=midnight(day)).exclude(pk=TOMBSTONE).order_by()
    return dict(people.values_list(TruncDate("created_at", tzinfo=UTC)).annotate(Count("pk")))


def people_of(day: date) -> str:
    """The list of who came that day."""
    return listed(PEOPLE, **on(day, "created_at"))
