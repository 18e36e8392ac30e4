"""What each person may do: so many requests a day, so many 3D jobs a month (UTC).

The settings say how many, unless staff have said something else for a person. What is counted are rows, in ranges that
an index answers. What was deleted counts as far as it was paid for, or deleting would be a way to have more; what is
tried again is the same row, and counts once. Where there is no quota nothing is asked of the database.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.utils.translation import gettext_lazy as _

from generation.models import (
    IMAGES_PER_REQUEST,
    GenerationRequest,
    ImageGenerationJob,
    Job,
    ModelGenerationJob,
    ProviderCall,
)
from generation.spending import Month
from lumi import clock
from lumi.accounts.models import User
from lumi.errors import RateLimited, Sentence

Period = tuple[datetime, datetime]


class Use(TypedDict):
    """How much a person may do, and has done."""

    limit: int
    used: int


class OverQuota(RateLimited):
    """All that a person may do is done, until `until`."""

    def __init__(self, message: Sentence, *, limit: int, now: datetime, until: datetime) -> None:
        words = {"limit": limit, "until": f"{until:%Y-%m-%d %H:%M} UTC"}
        super().__init__(str(message) % words, retry_after=(until - now).total_seconds())


@dataclass(frozen=True)
class Quota:
    """One kind of quota: a person's own number, the usual one, the span of time, how to count, what to say."""

    own: str
    usual: str
    period: Callable[[datetime], Period]
    count: Callable[[User, datetime], int]
    used_up: Sentence
    none_at_all: Sentence

    def limit(self, user: User) -> int | None:
        """How many; None: as many as they like."""
        own: int | None = getattr(user, self.own)
        return own if own is not None else (getattr(settings, self.usual) or None)

    def use(self, user: User) -> Use | None:
        """What a person may do and has done; None, without a statement, where there is no quota."""
        limit = self.limit(user)
        if limit is None:
            return None
        begin, _end = self.period(clock.now())
        return Use(limit=limit, used=self.count(user, begin))

    def check(self, user: User) -> None:
        """Whether one more is allowed: inside a transaction, until whose end nobody else counts this person's. Raises
        OverQuota."""
        limit = self.limit(user)
        if limit is None:
            return
        now = clock.now()
        begin, end = self.period(now)
        with transaction.atomic(savepoint=False):
            User.objects.select_for_update().filter(pk=user.pk).first()
            used = self.count(user, begin)
        if used >= limit:
            raise OverQuota(self.used_up if limit else self.none_at_all, limit=limit, now=now, until=end)


# --- Counting ---------------------------------------------------------------------------------------------------------


def day_of(moment: datetime) -> Period:
    """From midnight to midnight, UTC."""
    begin = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return begin, begin + timedelta(days=1)


def month_of(moment: datetime) -> Period:
    """The calendar month, UTC."""
    month = Month.of(moment.astimezone(UTC))
    return month.begins, month.ends


def count_requests(user: User, since: datetime) -> int:
    """Requests that are there, and those that are deleted and were painted, at least in part."""
    there = GenerationRequest.objects.owned_by(user).filter(created_at__gte=since).count()
    pictures_gone = paid_and_gone(ImageGenerationJob.objects.all(), "image", user, since)
    return there + math.ceil(pictures_gone / IMAGES_PER_REQUEST)


def count_models(user: User, since: datetime) -> int:
    """3D jobs that are there, and those that are deleted and were ordered."""
    there = ModelGenerationJob.objects.filter(owner=user, created_at__gte=since).count()
    return there + paid_and_gone(ModelGenerationJob.objects.all(), "model", user, since)


def paid_and_gone(jobs: "QuerySet[Job]", kind: str, user: User, since: datetime) -> int:
    """How many jobs the journal knows that are deleted."""
    calls = ProviderCall.objects.filter(owner_id=user.pk, sent_at__gte=since, kind=kind)
    gone = calls.filter(~Exists(jobs.filter(pk=OuterRef("job_id"))))
    found: dict[str, Any] = gone.aggregate(jobs=Count("job_id", distinct=True))
    return int(found["jobs"])


# --- The quotas -------------------------------------------------------------------------------------------------------

REQUESTS = Quota(
    own="requests_a_day",
    usual="REQUESTS_A_DAY",
    period=day_of,
    count=count_requests,
    used_up=_("You have made %(limit)s requests today, which is as many as you can. You can go on at %(until)s."),
    none_at_all=_("Your account cannot make requests at the moment. Please contact us."),
)
MODELS = Quota(
    own="models_a_month",
    usual="MODELS_A_MONTH",
    period=month_of,
    count=count_models,
    used_up=_(
        "You have had %(limit)s models built this month, which is as many as you can. You can go on at %(until)s."
    ),
    none_at_all=_("Your account cannot have models built at the moment. Please contact us."),
)


def check_requests(user: User) -> None:
    """Before a request is written, in its transaction. Raises OverQuota."""
    REQUESTS.check(user)


def check_models(user: User) -> None:
    """Before a 3D job is written, in its transaction. Raises OverQuota."""
    MODELS.check(user)


def use_of_requests(user: User) -> Use | None:
    """For the person to see (the accounts' slot)."""
    return REQUESTS.use(user)


def use_of_models(user: User) -> Use | None:
    """For the person to see (the accounts' slot)."""
    return MODELS.use(user)
