"""How the staff's pages say things: states in words, spans of time, money, pictures, and answers without secrets."""

import json
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.timesince import timesince
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generation.models import GenerationRequest, Job, ProviderCall
from generation.states import FAILED, JobStatus, RequestStatus, Stage
from lumi import files

STAGES: dict[str, Promise] = {
    Stage.WAITING: _("It waits for its turn."),
    Stage.SUBMITTING: _("It is being handed to the provider."),
    Stage.POLLING: _("The provider works on it."),
    Stage.STORING: _("It is made, and is being stored."),
    Stage.UNKNOWN: _("An order went out, and nobody knows whether the provider took it."),
}
ENDS: dict[str, Promise] = {
    JobStatus.COMPLETED: _("It is done."),
    JobStatus.FAILED: _("It has failed."),
    JobStatus.TIMEOUT: _("It took too long and was given up."),
    JobStatus.CANCELLED: _("It was cancelled."),
}
REQUESTS: dict[str, Promise] = {
    RequestStatus.IMAGE_PENDING: _("It waits for its prompts, or for the first picture to be begun."),
    RequestStatus.IMAGE_GENERATING: _("Its pictures are being painted."),
    RequestStatus.IMAGE_COMPLETED: _("It waits for its owner to choose a picture."),
    RequestStatus.IMAGE_FAILED: _("None of its pictures could be painted."),
    RequestStatus.MODEL_PENDING: _("A picture is chosen; the model waits for its turn."),
    RequestStatus.MODEL_GENERATING: _("Its model is being built."),
    RequestStatus.MODEL_COMPLETED: _("Its model is there."),
    RequestStatus.MODEL_FAILED: _("Its model could not be built."),
    RequestStatus.COMPLETED: _("It is done."),
    RequestStatus.FAILED: _("Its time ran out before anything was chosen."),
    RequestStatus.CANCELLED: _("It was cancelled."),
}
GOOD, BAD, WARN, QUIET, BUSY = "good", "bad", "warn", "quiet", "busy"
TONES = {"COMPLETED": GOOD, "CANCELLED": QUIET, "IMAGE_COMPLETED": WARN} | {
    status.value: BAD for status in (*FAILED, RequestStatus.IMAGE_FAILED, RequestStatus.MODEL_FAILED)
}
QUERY = re.compile(r"(https?://[^\s?#\"']+)[?#][^\s\"']*")


def state_of(job: Job) -> Promise:
    """A job's state in words."""
    return ENDS[job.status] if job.has_ended else STAGES[job.stage]


def tone_of(thing: Job | GenerationRequest) -> str:
    """How a state is coloured."""
    if isinstance(thing, Job) and thing.stage == Stage.UNKNOWN:
        return WARN
    return TONES.get(thing.status, BUSY)


def badge(word: str, tone: str, more: str = "") -> str:
    """A word of the wire, coloured, and what more there is to say below it."""
    shown = format_html('<span class="lumi-state {}">{}</span>', tone, word)
    return format_html('{} <span class="lumi-more">{}</span>', shown, more) if more else shown


def money(cost: Any) -> str:
    """In the settings' currency."""
    return f"{cost:.4f} {settings.CURRENCY}"


def costs_of(job_ids: Iterable[str]) -> dict[str, Decimal]:
    """What was paid for each of these jobs (or, for the LLM, requests); those that cost nothing may be left out. One
    statement."""
    calls = ProviderCall.objects.filter(job_id__in=list(job_ids)).order_by()
    return dict(calls.values_list("job_id").annotate(cost=Sum("cost")))


def age(moment: datetime, now: datetime) -> str:
    """How long ago, in one unit."""
    return timesince(moment, now, depth=1)


def span(length: timedelta) -> str:
    """0.4 s, 12 s, 3 min 5 s, 2 h 10 min, 3 d 4 h."""
    seconds = max(0.0, length.total_seconds())
    if seconds < 10:
        return gettext("%s s") % f"{seconds:.1f}"
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return gettext("%s s") % rest
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return gettext("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    days, hours = divmod(hours, 24)
    if not days:
        return gettext("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    return gettext("%(days)d d %(hours)d h") % {"days": days, "hours": hours}


def took(job: Job) -> str:
    """From the first submit to the end."""
    return "–" if job.duration_ms is None else span(timedelta(milliseconds=job.duration_ms))


def thumbnail(key: str, side: int = 56) -> str:
    """A small picture beside words that say what it is."""
    address = files.url(key)
    sized = '<img class="lumi-thumbnail" src="{}" alt="" width="{}" height="{}" loading="lazy">'
    return format_html(sized, address, side, side) if address else "–"


def short(words: str, most: int = 48) -> str:
    """The beginning of a prompt, on one line."""
    line = " ".join(words.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def without_secrets(value: Any) -> Any:
    """An answer as staff may see it: what follows the path of an address opens a file, and is left out."""
    if isinstance(value, dict):
        return {name: without_secrets(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    return QUERY.sub(r"\1?…", value) if isinstance(value, str) else value


def as_text(value: Any) -> str:
    """JSON for eyes."""
    return json.dumps(without_secrets(value), ensure_ascii=False, indent=2) if value else ""
