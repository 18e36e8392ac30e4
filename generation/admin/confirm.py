"""The page between a button and what it does: it says what will happen, and what will be paid. A verb is done by POST,
by whoever may operate jobs, through the same doors as `manage.py jobs`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from generation import operators
from generation.admin.shown import badge, money, short, tone_of
from generation.models import GenerationRequest, Job
from generation.states import FAILED, RETRYABLE, UNFINISHED
from lumi.admin import staff
from lumi.process import acting_as

OPERATE = "generation.operate_jobs"
MOST_AT_ONCE = 100
Thing = Job | GenerationRequest


class Confirmation(forms.Form):
    """Yes. Where somebody may pay twice, that is a word of its own."""

    def __init__(self, *args: Any, is_second: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        if is_second:
            self.fields["accept"] = forms.BooleanField(
                label=_("I have looked at the provider's own list of jobs, and accept that this may be paid for twice.")
            )


class WithReason(Confirmation):
    """And why."""

    reason = forms.CharField(
        label=_("Reason"), max_length=500, help_text=_("For the staff and the audit trail; the owner does not see it.")
    )


class WithProviderJob(Confirmation):
    """And which job at the provider."""

    provider_job_id = forms.CharField(
        label=_("Job id at the provider"), max_length=255, help_text=_("As the provider's own list of jobs has it.")
    )


@dataclass(frozen=True)
class Verb:
    """What staff can do to a job or a request. `does`: what follows, in words; `orders`: the failed jobs that it
    orders anew."""

    name: str
    title: Promise
    does: Promise
    button: Promise
    allows: Callable[[Any], bool]
    act: Callable[[Any, dict[str, Any]], None]
    orders: Callable[[Any], list[Job]] = lambda thing: []
    form: type[Confirmation] = Confirmation
    is_danger: bool = False


def cancel_request_of(thing: Any, told: dict[str, Any]) -> None:
    """Of a job, or the request itself."""
    operators.cancel(operators.request_of(thing) if isinstance(thing, Job) else thing)


def is_unfinished(thing: Any) -> bool:
    """Whether its request can be cancelled."""
    return (operators.request_of(thing) if isinstance(thing, Job) else thing).status in UNFINISHED


REQUEUE = Verb(
    "requeue",
    _("Queue again"),
    _("The failed job starts again, with fresh tries. What is paid for already is fetched or asked for, not ordered."),
    _("Queue it again"),
    lambda job: job.status in FAILED,
    lambda job, told: operators.requeue(job),
    orders=lambda job: [job],
)  # fmt: skip
CANCEL = Verb(
    "cancel",
    _("Cancel the request"),
    _(
        "The whole request is cancelled, as its owner would do it: all of its open jobs end, and the providers are "
        "told to stop. Nothing new is ordered; what the providers have taken already may still be billed."
    ),
    _("Cancel the request"),
    is_unfinished,
    cancel_request_of,
    is_danger=True,
)
FAIL = Verb(
    "fail",
    _("Fail"),
    _(
        "The job ends as failed, and the provider is told to stop. Nothing new is ordered; what the provider has taken "
        "already may still be billed. The owner reads that the staff stopped it."
    ),
    _("Fail it"),
    lambda job: not job.has_ended,
    lambda job, told: operators.fail(job, told["reason"]),
    form=WithReason,
    is_danger=True,
)
ADOPT = Verb(
    "adopt",
    _("Adopt a job of the provider's"),
    _(
        "The provider is asked for this job. If it has it, Lumi goes on from there: nothing is ordered and nothing is "
        "paid again. The order that went out counts as paid."
    ),
    _("Adopt it"),
    operators.may_be_adopted,
    lambda job, told: operators.adopt(job, told["provider_job_id"]),
    form=WithProviderJob,
)
RETRY = Verb(
    "retry",
    _("Try again"),
    _("What has failed of the request starts again, as its owner would do it. Pictures that are painted stay."),
    _("Try it again"),
    lambda request: request.status in RETRYABLE,
    lambda request, told: operators.retry(request),
    orders=operators.to_retry,
)
OF_JOBS = {verb.name: verb for verb in (REQUEUE, ADOPT, FAIL, CANCEL)}
OF_REQUESTS = {verb.name: verb for verb in (RETRY, CANCEL)}


@dataclass(frozen=True)
class Line:
    """One job or request on the page of a confirmation: its price in words, and whether two may be paid for."""

    thing: Thing
    name: str
    state: str
    price: str | Promise
    is_second: bool


def confirmed(
    desk: Any, request: HttpRequest, verb: Verb, things: Sequence[Any], back: str, chosen: Sequence[str] = ()
) -> HttpResponse:
    """The page that asks; or, once it was answered, what was done and the way back. `chosen`: the rows of the list
    whose action it is."""
    lines, total = priced(verb, things)
    is_second = any(line.is_second for line in lines)
    answered = request.POST if "confirmed" in request.POST else None
    form = verb.form(answered, is_second=is_second)
    if form.is_valid():
        do(desk, request, verb, things, form.cleaned_data)
        return HttpResponseRedirect(back)
    context = {
        **desk.admin_site.each_context(request),
        "opts": desk.opts,
        "title": verb.title,
        "verb": verb,
        "lines": lines,
        "total": total,
        "is_second": is_second,
        "form": form,
        "back": back,
        "chosen": chosen,
        "checkbox": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/generation/confirm.html", context)


def priced(verb: Verb, things: Sequence[Any]) -> tuple[list[Line], str]:
    """A line for each, and what all of them are expected to cost; "" where the verb orders nothing. One statement for
    the prices, however many there are."""
    jobs = [(thing, job) for thing in things for job in verb.orders(thing)]
    orders = operators.new_orders([job for _, job in jobs])
    by_thing: dict[str, list[operators.NewOrder | None]] = {}
    for (thing, _job), order in zip(jobs, orders, strict=True):
        by_thing.setdefault(thing.pk, []).append(order)
    total = sum((order.cost for order in orders if order), Decimal(0))
    return [line(thing, by_thing.get(thing.pk, [])) for thing in things], money(total) if jobs else ""


def line(thing: Thing, orders: list[operators.NewOrder | None]) -> Line:
    """What is said of one."""
    new = [order for order in orders if order]
    price: str | Promise = "–"
    if new:
        first, cost = new[0], sum((order.cost for order in new), Decimal(0))
        what = " ".join(filter(None, (first.provider, first.product)))
        price = f"{len(new)} × {what}: {money(cost)}"
    elif orders:
        price = _("nothing: it is paid for already")
    name = short(thing.words if isinstance(thing, Job) else thing.prompt)
    return Line(thing, name, badge(thing.status, tone_of(thing)), price, any(order.is_second for order in new))


def do(desk: Any, request: HttpRequest, verb: Verb, things: Sequence[Any], told: dict[str, Any]) -> None:
    """Each by itself, as this person; what was refused is said, and stops nothing else."""
    refused: dict[str, str] = {}
    with acting_as(staff(request)):
        for thing in things:
            try:
                verb.act(thing, told)
            except operators.Refused as refusal:
                refused[thing.pk] = str(refusal)
    done = len(things) - len(refused)
    if done:
        sentence = ngettext("%(verb)s: %(count)d was done.", "%(verb)s: %(count)d were done.", done)
        desk.message_user(request, sentence % {"verb": verb.title, "count": done}, messages.SUCCESS)
    for pk, why in refused.items():
        desk.message_user(request, f"{pk}: {why}", messages.ERROR)
