"""What is written beside the jobs: their history, the journal of paid calls, and the switches that hold them back."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from lumi.ids import IdField


class JobEvent(models.Model):
    """One line of a job's history. Append-only; outlives the job.

    `event` is the job's new stage, or its new status where that says more (RETRYING, COMPLETED, FAILED, CANCELLED,
    TIMEOUT), or what was done to it (CLAIMED, ADOPTED, RECOVERED, STALE_WRITE). `process` and `actor` say who did it.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(_("kind"), max_length=10)
    job_id = models.CharField(_("job"), max_length=36)
    at = models.DateTimeField(_("at"), db_default=Now())
    event = models.CharField(_("event"), max_length=20)
    fence = models.PositiveIntegerField(_("fence"), default=0)
    process = models.CharField(_("process"), max_length=80, blank=True)
    actor = models.CharField(_("who"), max_length=120, blank=True)
    detail = models.JSONField(_("detail"), default=dict, blank=True)

    class Meta:
        db_table = "job_events"
        verbose_name = _("job event")
        verbose_name_plural = _("job events")
        indexes = [models.Index(fields=["job_id", "id"], name="job_events_of_job")]

    def __str__(self) -> str:
        return f"{self.event} {self.job_id}"


class ProviderCall(models.Model):
    """The journal of paid calls: written before the call, answered before anything else, by whoever made it, even when
    its lease is over. `outcome` is "" until an answer is known, then ACCEPTED, REFUSED or UNKNOWN; `answer` is what the
    provider said, enough to adopt it later. `cancel_wanted_at`: nobody wants the job any more, and the provider is
    still to be told. `cost`: what it costs, in the settings' currency: the price while nobody knows better, 0 for what
    surely costs nothing. `order`: what was sent, in numbers: people's words go with them. `owner_id`: the person that
    it was made for; kept when they are gone."""

    id = models.BigAutoField(primary_key=True)
    reference = models.CharField(_("reference"), max_length=60, unique=True)
    kind = models.CharField(_("kind"), max_length=10)
    job_id = models.CharField(_("job"), max_length=36, db_index=True)
    provider = models.CharField(_("provider"), max_length=40)
    sent_at = models.DateTimeField(_("sent"), db_default=Now())
    answered_at = models.DateTimeField(_("answered"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=10, blank=True)
    owner_id = models.CharField(_("owner"), max_length=36, blank=True)
    product = models.CharField(_("product"), max_length=80, blank=True)
    cost = models.DecimalField(_("cost"), max_digits=14, decimal_places=6, default=0)
    provider_job_id = models.CharField(_("job id at the provider"), max_length=255, blank=True)
    answer = models.JSONField(_("answer"), default=dict, blank=True)
    order = models.JSONField(
        _("order"), default=dict, null=True, blank=True, help_text=_("what was sent, without its words")
    )
    cancel_wanted_at = models.DateTimeField(_("to be cancelled since"), null=True, blank=True, db_index=True)
    cancel_tries = models.PositiveSmallIntegerField(_("times it was told to stop"), default=0)

    class Meta:
        db_table = "provider_calls"
        verbose_name = _("provider call")
        verbose_name_plural = _("provider calls")
        indexes = [
            models.Index(fields=["provider", "sent_at", "cost"], name="provider_calls_spend"),
            models.Index(fields=["owner_id", "sent_at"], name="provider_calls_of_owner"),
            models.Index(fields=["sent_at"], name="provider_calls_of_month"),
            models.Index(fields=["outcome", "id"], name="provider_calls_by_outcome"),
        ]

    def __str__(self) -> str:
        return self.reference


class ProviderGate(models.Model):
    """The turnstile before a provider: locked while jobs are let through, so that limits hold over all workers.

    `starts`: the moments of the last submits let through within a minute (UNIX seconds by the database's clock).
    `closed_until`: the provider asked everybody to wait. `served`: by owner id, when a job was last let through.
    """

    kind = models.CharField(_("kind"), max_length=10)
    provider = models.CharField(_("provider"), max_length=40)
    starts = models.JSONField(_("recent starts"), default=list, blank=True)
    closed_until = models.DateTimeField(_("closed until"), null=True, blank=True)
    served = models.JSONField(_("whose turn it was last"), default=dict, blank=True)

    class Meta:
        db_table = "provider_gates"
        verbose_name = _("provider gate")
        verbose_name_plural = _("provider gates")
        constraints = [models.UniqueConstraint(fields=["kind", "provider"], name="gates_kind_provider")]

    def __str__(self) -> str:
        return f"{self.kind} {self.provider}"


class Breaker(models.Model):
    """The circuit breaker of one operation at one provider. `failures`: moments of late failures (UNIX seconds);
    open until `open_until`, then one probe at a time (`probing_until`)."""

    kind = models.CharField(_("kind"), max_length=10)
    provider = models.CharField(_("provider"), max_length=40)
    operation = models.CharField(_("operation"), max_length=10)
    failures = models.JSONField(_("late failures"), default=list, blank=True)
    open_until = models.DateTimeField(_("open until"), null=True, blank=True)
    probing_until = models.DateTimeField(_("probe until"), null=True, blank=True)

    class Meta:
        db_table = "breakers"
        verbose_name = _("circuit breaker")
        verbose_name_plural = _("circuit breakers")
        constraints = [models.UniqueConstraint(fields=["kind", "provider", "operation"], name="breakers_one")]

    def __str__(self) -> str:
        return f"{self.kind} {self.provider} {self.operation}"


class QueuePause(models.Model):
    """A queue ("image", "model" or "design") that an operator has stopped: nothing new is started while it is here."""

    kind = models.CharField(_("queue"), max_length=10, primary_key=True)
    paused_at = models.DateTimeField(_("since"), db_default=Now())
    paused_by = models.CharField(_("who"), max_length=120)

    class Meta:
        db_table = "queue_pauses"
        verbose_name = _("paused queue")
        verbose_name_plural = _("paused queues")

    def __str__(self) -> str:
        return self.kind


class IdempotencyKey(models.Model):
    """A client's key and the first answer it got.

    Under way: `locked_until` is set (and is the fence of whoever works). Answered: `response` is set. Free: neither.
    `key` and `fingerprint` are digests: MariaDB would take "A1" for "a1", and nothing of the body is kept.
    """

    id = IdField()
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(_("key"), max_length=64)
    fingerprint = models.CharField(_("fingerprint of what was asked"), max_length=64)
    locked_until = models.DateTimeField(_("under way until"), null=True, blank=True)
    response = models.JSONField(_("first answer"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"))

    class Meta:
        db_table = "idempotency_keys"
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_once")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_age")]

    def __str__(self) -> str:
        return self.key
