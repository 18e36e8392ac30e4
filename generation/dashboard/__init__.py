"""What the staff's front page says of jobs: queues, outcomes, providers, and money."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.dashboard import tallies
from generation.dashboard.tallies import Durations, Ended, Held, Queue, Spent, a_day_before, an_hour_before
from generation.messages import OUTCOME_UNKNOWN
from generation.operators import IN_HANDS, QUEUES
from generation.queue import JOBS
from generation.spending import Month
from generation.states import FAILED, JobStatus, RequestStatus, Stage
from lumi.dashboard import Card, Chart, Figure, Point, Table, Tone, listed, midnight, span, worst

LISTS = {
    "design": "generation_generationrequest_changelist",
    "image": "generation_imagegenerationjob_changelist",
    "model": "generation_modelgenerationjob_changelist",
}
CALLS = "generation_providercall_changelist"
BREAKERS = "generation_breaker_changelist"
NAMES = {"design": _("designs"), "image": _("images"), "model": _("3D models")}
OWN_PROVIDERS = ("LUMI_LLM_PROVIDERS", "LUMI_IMAGE_PROVIDERS", "LUMI_MODEL_PROVIDERS")
HOURS = 24  # of the chart
LONG_WAIT = timedelta(minutes=15)
FINISHED = ",".join([JobStatus.COMPLETED, *sorted(FAILED)])  # not cancelled
GOOD, POOR = 95, 80  # per cent of jobs that succeed
OUTCOMES: tuple[tuple[Any, dict[str, str]], ...] = (  # as `tallies.outcomes` has them, and what narrows a list to each
    (_("succeeded"), {"status__exact": JobStatus.COMPLETED}),
    (_("failed jobs"), {"status__in": ",".join(sorted(FAILED))}),
    (_("unknown"), {"error_code__exact": OUTCOME_UNKNOWN}),
)
STACK = tuple(  # a chart's bar from the bottom up: kind, place in OUTCOMES, tone
    (kind, place, tone) for place, tone in ((0, Tone.OK), (1, Tone.BAD)) for kind in JOBS
)


def cards(request: HttpRequest) -> list[Card]:
    """Jobs for whoever may see jobs, money for whoever may see what was paid. Five statements."""
    now, may = timezone.now(), request.user.has_perm
    found = []
    if all(may(f"generation.view_{name}") for name in ("imagegenerationjob", "modelgenerationjob")):
        found += job_cards(now)
    if may("generation.view_providercall"):
        found.append(spend_card(tallies.spent(now), now))
    return found


def job_cards(now: datetime) -> list[Card]:
    """Four statements."""
    queues, ended, held = tallies.open_work(now), tallies.ended_jobs(now), tallies.held_back()
    found = [
        queue_card(queues, held, now),
        outcome_card(ended, now),
        provider_card(ended, tallies.durations(now), held, now),
    ]
    return found if queues or ended else [first_steps(), *found]


def first_steps() -> Card:
    """Nobody has asked for anything in the last day: perhaps Lumi is new here."""
    steps = (
        Figure("manage.py doctor", label=_("Look whether this installation has all that it needs:")),
        Figure(", ".join(OWN_PROVIDERS), label=_("Name the providers where you have an account:")),
        Figure("manage.py create_demo_data", label=_("Or try it with people and models that are invented:")),
        Figure(reverse("docs"), reverse("docs"), _("Ask for a first model by hand, in the pages of the API:")),
    )
    note = _("If Lumi is new here, these are the first steps:")
    return Card("first-steps", _("Nothing was made in the last 24 hours"), note=note, steps=steps)


# --- Queues ---------------------------------------------------------------------------------------------------------


def queue_card(queues: dict[str, Queue], held: Held, now: datetime) -> Card:
    """A line for each queue."""
    lines = tuple((NAMES[kind], queue_line(kind, queues.get(kind, Queue()), held, now)) for kind in QUEUES)
    head = (_("queue"), _("state"), _("waiting"), _("oldest wait"), _("running"), _("unknown"))
    return Card("queues", _("Queues"), listed(LISTS["image"]), worst_of(lines), table=Table(head, lines))


def worst_of(lines: tuple[tuple[Any, tuple[Figure, ...]], ...]) -> Tone:
    """How a table stands."""
    return worst(figure.tone for _, figures in lines for figure in figures)


def queue_line(kind: str, queue: Queue, held: Held, now: datetime) -> tuple[Figure, ...]:
    """One queue."""
    wait = now - queue.oldest if queue.oldest else None
    links = design_links(queue.oldest or now, now) if kind == "design" else job_links(kind, queue.oldest or now)
    return (
        state_of(held.pauses.get(kind), now),
        Figure(queue.waiting, links[0]),
        Figure(span(wait), links[1] if wait else "", tone=Tone.WARN if wait and wait > LONG_WAIT else Tone.PLAIN),
        Figure(queue.running, links[2]),
        Figure(queue.unknown if kind in JOBS else "–", links[3], tone=Tone.WARN if queue.unknown else Tone.PLAIN),
    )


def job_links(kind: str, oldest: datetime) -> tuple[str, str, str, str]:
    """The lists of what waits, of what waits longest, of what is worked on, and of what hangs in the air."""
    waiting = {"stage__in": Stage.WAITING, "next_at__isnull": False}
    return (
        listed(LISTS[kind], **waiting),
        listed(LISTS[kind], **waiting, created_at__lte=oldest),
        listed(LISTS[kind], stage__in=",".join(IN_HANDS)),
        listed(LISTS[kind], stage__in=Stage.UNKNOWN),
    )


def design_links(oldest: datetime, now: datetime) -> tuple[str, str, str, str]:
    """The same of designs. What is written just now is among what waits: a list cannot tell it from what was lost."""
    pending = {"status__exact": RequestStatus.IMAGE_PENDING, "next_at__isnull": False}
    return (
        listed(LISTS["design"], **pending),
        listed(LISTS["design"], **pending, created_at__lte=oldest),
        listed(LISTS["design"], **pending, lease_until__gte=now),
        "",
    )


def state_of(paused_at: datetime | None, now: datetime) -> Figure:
    """Whether an operator has stopped the queue, and how long ago."""
    link = listed("generation_queuepause_changelist")
    if paused_at is None:
        return Figure(_("not paused"), link)
    return Figure(_("paused, %s") % span(now - paused_at), link, tone=Tone.BAD)


# --- Outcomes -------------------------------------------------------------------------------------------------------


def outcome_card(ended: list[Ended], now: datetime) -> Card:
    """The last hour and the last day of each kind, and a chart of the hours."""
    recent = [row for row in ended if row.is_recent]
    spans = ((_("last hour"), recent, an_hour_before(now)), (_("last 24 hours"), ended, a_day_before(now)))
    lines = tuple(
        (f"{NAMES[kind]}, {name}", outcome_line(kind, rows, since)) for name, rows, since in spans for kind in JOBS
    )
    head = (_("jobs"), *(name for name, _ in OUTCOMES))
    return Card("outcomes", _("Outcomes"), listed(LISTS["image"]), table=Table(head, lines), chart=hourly(ended, now))


def outcome_line(kind: str, rows: list[Ended], since: datetime) -> tuple[Figure, ...]:
    """How many of each outcome."""
    found = tallies.outcomes(row for row in rows if row.kind == kind)
    return tuple(
        Figure(many, listed(LISTS[kind], ended_at__gte=since, **where), tone=tone if many else Tone.PLAIN)
        for (_, where), many, tone in zip(OUTCOMES, found, (Tone.PLAIN, Tone.BAD, Tone.WARN), strict=True)
    )


def hourly(ended: list[Ended], now: datetime) -> Chart:
    """Completed and failed jobs of both kinds, an hour a bar (UTC)."""
    last = now.replace(minute=0, second=0, microsecond=0)
    hours = [last - timedelta(hours=ago) for ago in reversed(range(HOURS))]
    points = tuple(Point(f"{hour:%H:%M}", hour_figures(ended, hour)) for hour in hours)
    names = tuple((f"{NAMES[kind]}, {OUTCOMES[place][0]}", tone) for kind, place, tone in STACK)
    legend = ((OUTCOMES[0][0], Tone.OK), (OUTCOMES[1][0], Tone.BAD))
    return Chart(_("Jobs an hour (UTC)"), _("hour"), names, points, legend)


def hour_figures(ended: list[Ended], hour: datetime) -> tuple[Figure, ...]:
    """One hour, each number with its list."""
    counted = {kind: tallies.outcomes(row for row in ended if row.kind == kind and row.hour == hour) for kind in JOBS}
    where = {"ended_at__gte": hour, "ended_at__lt": hour + timedelta(hours=1)}
    return tuple(
        Figure(counted[kind][place], listed(LISTS[kind], **where, **OUTCOMES[place][1])) for kind, place, _ in STACK
    )


# --- Providers ------------------------------------------------------------------------------------------------------


def provider_card(ended: list[Ended], durations: Durations, held: Held, now: datetime) -> Card:
    """A line for each provider that has ended a job within a day or whose breaker is open."""
    tripped = {(kind, provider) for kind, provider, _, _ in held.breakers}
    pairs = sorted({(row.kind, row.provider) for row in ended if row.provider} | tripped)
    lines = tuple(
        (f"{provider} ({NAMES.get(kind, kind)})", provider_line((kind, provider), ended, durations, held, now))
        for kind, provider in pairs
    )
    head = (_("provider"), _("breaker"), _("jobs"), _("success"), _("median"), _("95 % within"))
    note = "" if lines else _("No provider has ended a job in the last 24 hours, and no breaker is open.")
    table = Table(head, lines) if lines else None
    return Card("providers", _("Providers, last 24 hours"), listed(BREAKERS), worst_of(lines), note, table=table)


def provider_line(
    pair: tuple[str, str], ended: list[Ended], durations: Durations, held: Held, now: datetime
) -> tuple[Figure, ...]:
    """How much, how well, how fast; and whether it is left alone."""
    completed, failed = tallies.outcomes(row for row in ended if (row.kind, row.provider) == pair)[:2]
    completed_ones = provider_jobs(pair, now, status__exact=JobStatus.COMPLETED)
    median, high = durations.get(pair, (None, None))
    return (
        breaker_state(pair, held),
        Figure(completed + failed, provider_jobs(pair, now, status__in=FINISHED)),
        success(completed, failed, provider_jobs(pair, now, **OUTCOMES[1][1])),
        Figure(span(median), completed_ones),
        Figure(span(high), completed_ones),
    )  # fmt: skip


def provider_jobs(pair: tuple[str, str], now: datetime, **where: Any) -> str:
    """The list of what a provider has ended within a day. A language model's questions are no jobs."""
    kind, provider = pair
    if kind not in JOBS:
        return listed(CALLS, kind__exact=kind, provider__exact=provider, sent_at__gte=a_day_before(now))
    return listed(LISTS[kind], provider__exact=provider, ended_at__gte=a_day_before(now), **where)


def success(completed: int, failed: int, link: str) -> Figure:
    """The share that succeeded of what was not cancelled; it leads to those that did not."""
    if not completed + failed:
        return Figure("–", link)
    percent = 100 * completed // (completed + failed)
    tone = Tone.PLAIN if percent >= GOOD else Tone.WARN if percent >= POOR else Tone.BAD
    return Figure(f"{percent} %", link, tone=tone)


def breaker_state(pair: tuple[str, str], held: Held) -> Figure:
    """Closed, or which calls are held back."""
    mine = ", ".join(operation for *of, operation, until in held.breakers if tuple(of) == pair)
    link = listed(BREAKERS)
    return Figure(_("tripped: %s") % mine, link, tone=Tone.BAD) if mine else Figure(_("not tripped"), link)


# --- Money ----------------------------------------------------------------------------------------------------------


def spend_card(found: list[Spent], now: datetime) -> Card:
    """Today and this month (UTC), by provider and against the budgets."""
    month, today = Month.of(now).begins, midnight(now.date())
    lines = tuple((one.provider, spend_line(one, month, today)) for one in found)
    figures = (
        Figure(money(sum(one.today for one in found)), listed(CALLS, sent_at__gte=today), _("today")),
        Figure(money(sum(one.month for one in found)), listed(CALLS, sent_at__gte=month), _("this month")),
    )
    head = (_("provider"), _("today"), _("this month"), _("budget"), _("used up"))
    costs = listed("generation_providercall_costs")
    table = Table(head, lines) if lines else None
    return Card("spend", _("Spend, %s") % settings.CURRENCY, costs, worst_of(lines), "", figures, table)


def spend_line(one: Spent, month: datetime, today: datetime) -> tuple[Figure, ...]:
    """One provider."""
    costs = listed("generation_providercall_costs")
    most, used = (money(one.budget.most), f"{one.budget.percent} %") if one.budget else ("–", "–")
    return (
        Figure(money(one.today), listed(CALLS, provider__exact=one.provider, sent_at__gte=today)),
        Figure(money(one.month), listed(CALLS, provider__exact=one.provider, sent_at__gte=month)),
        Figure(most, costs),
        Figure(used, costs, tone=budget_tone(one)),
    )


def budget_tone(one: Spent) -> Tone:
    """Used up, nearly, or neither."""
    if one.budget is None or not one.budget.is_near:
        return Tone.PLAIN
    return Tone.WARN if one.budget.left > 0 else Tone.BAD


def money(amount: Any) -> str:
    """To the hundredth; the page of costs has the rest."""
    return f"{amount:,.2f}"
