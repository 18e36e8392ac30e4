"""The journal of paid calls: what was sent is written before the call, what was answered before anything else.

The answer is written without looking at fences: a worker whose lease is over still owes it. Whoever recovers the job
finds it here and adopts it. While the database does not answer, the answer is tried again, and then kept in a file that
the next sweep on this machine reads.
"""

import json
import logging
import os
import time
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import Error, connection
from django.utils import timezone

from generation import spending
from generation.models import GenerationRequest, Job, ProviderCall
from lumi.upserts import upsert
from providers.base import (
    Billed,
    Completion,
    Fault,
    ImageOrder,
    JobState,
    LostSubmit,
    ModelOrder,
    ProviderError,
    RemoteFile,
    Report,
)

logger = logging.getLogger(__name__)

WRITE_SECONDS = 20.0  # how long a database that does not answer is tried again before the answer goes to a file
MOST_CANCEL_TRIES = 10
LOOK_BACK = timedelta(days=1)  # providers list no older jobs
ACCEPTED, REFUSED, UNKNOWN = "ACCEPTED", "REFUSED", "UNKNOWN"


def sent(job: Job, order: ImageOrder | ModelOrder) -> None:
    """About to pay: in the transaction that says so. A free submit that is repeated keeps its line."""
    product, cost = spending.expected(job.kind, job.provider)
    fields: dict[str, Any] = {
        "kind": job.kind,
        "job_id": job.pk,
        "owner_id": job.owner_id,
        "provider": job.provider,
        "product": product,
        "cost": cost,
        "order": in_numbers(order),
        "outcome": "",
        "answered_at": None,
        "answer": {},
    }
    upsert(ProviderCall(reference=job.reference, **fields), by="reference", fields=fields)


def in_numbers(order: ImageOrder | ModelOrder) -> dict[str, Any]:
    """What was sent, for staff: how long, how large, how many. The words and the picture are in their own rows, and go
    with the person; this line stays."""
    if isinstance(order, ImageOrder):
        return {"promptLength": len(order.prompt), "variant": order.variant, "count": order.count}
    return {"promptLength": len(order.prompt), "imageBytes": len(order.image), "hasImageUrl": bool(order.image_url)}


def answered(job: Job, answer: Report | ProviderError) -> None:
    """Write down what the provider said, whatever has become of the job; in a file while the database is away."""
    product, _ = spending.expected(job.kind, job.provider)
    keep(job.reference, as_fields(answer) | cost_fields(job.provider, product, answer))


def settled(job: Job, report: Report) -> None:
    """A job that was taken has ended at the provider, which names what it has used; or it failed and costs nothing."""
    call = ProviderCall.objects.filter(reference=job.reference).first()
    if call and (fields := cost_fields(call.provider, call.product, report)):
        ProviderCall.objects.filter(pk=call.pk).update(**fields)


def asked(request: GenerationRequest, reference: str, provider: str, product: str, cost: Decimal) -> None:
    """About to ask a language model: in the transaction that says so. Each question has a line of its own."""
    ProviderCall.objects.create(
        reference=reference,
        kind="llm",
        job_id=request.pk,
        owner_id=request.owner_id,
        provider=provider,
        product=product,
        cost=cost,
        order={"promptLength": len(request.prompt)},
    )


def told(reference: str, provider: str, product: str, answer: Completion | ProviderError) -> None:
    """Write down what a language model has cost, or why it did not answer; its words are not kept here."""
    if isinstance(answer, Completion):
        counted = {"tokensIn": answer.tokens_in, "tokensOut": answer.tokens_out}
        fields: dict[str, Any] = {"outcome": ACCEPTED, "answer": counted}
    else:
        fields = as_fields(answer)
    keep(reference, fields | cost_fields(provider, product, answer))


def keep(reference: str, fields: dict[str, Any]) -> None:
    """In the database, or in a file until it is back."""
    if not write_patiently(reference, fields):
        spool(reference, fields)


def write_patiently(reference: str, fields: dict[str, Any]) -> bool:
    """Write, again and again while the database is away; False when it does not come back in time."""
    deadline = time.monotonic() + WRITE_SECONDS
    while True:
        try:
            write(reference, fields)
        except Error:
            logger.warning("an answer could not be written yet", extra={"reference": reference})
            connection.close()
        else:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)


def write(reference: str, fields: dict[str, Any]) -> bool:
    """One UPDATE, unfenced; whether there is such a call."""
    call = ProviderCall.objects.filter(reference=reference)
    return bool(call.update(answered_at=timezone.now(), **fields))


def as_fields(answer: Report | ProviderError) -> dict[str, Any]:
    """The columns that hold an answer."""
    if isinstance(answer, ProviderError):
        outcome = UNKNOWN if answer.billed == Billed.UNKNOWN else REFUSED
        return {"outcome": outcome, "answer": error_as_json(answer)}
    files = [{"role": file.role, "url": file.url} for file in answer.files]
    error = answer.error and error_as_json(answer.error)
    said = {"state": answer.state, "ref": answer.ref, "progress": answer.progress, "files": files, "error": error}
    return {"outcome": ACCEPTED, "provider_job_id": answer.ref[:255], "answer": said}


def cost_fields(provider: str, product: str, answer: Report | Completion | ProviderError) -> dict[str, str]:
    """The column that an answer corrects, if it does; as text, which a file can hold."""
    cost = spending.cost_by(provider, product, answer)
    return {} if cost is None else {"cost": str(cost)}


def error_as_json(error: ProviderError) -> dict[str, Any]:
    """An error, to be written down."""
    return {
        "fault": error.fault, "permanent": error.permanent, "retry_after": error.retry_after, "billed": error.billed,
        "evidence": error.evidence[:2000],
    }  # fmt: skip


def error_from_json(said: dict[str, Any]) -> ProviderError:
    """The error that was written down."""
    return ProviderError(
        Fault(said["fault"]),
        permanent=said["permanent"],
        retry_after=said["retry_after"],
        billed=Billed(said["billed"]),
        evidence=said["evidence"],
    )


def sent_at(job: Job) -> datetime:
    """When this attempt was about to be sent."""
    return ProviderCall.objects.values_list("sent_at", flat=True).get(reference=job.reference)


def lost(job: Job) -> LostSubmit:
    """What a provider is to look for: this attempt, and not what is accounted for by others since it was sent."""
    since = sent_at(job)
    others = ProviderCall.objects.filter(kind=job.kind, provider=job.provider, sent_at__gte=since - LOOK_BACK)
    known = others.exclude(reference=job.reference).exclude(provider_job_id="")
    ids = frozenset(known.values_list("provider_job_id", flat=True))
    return LostSubmit(reference=job.reference, prompt=job.words, sent_at=since, known=ids)


def is_unknown(job: Job) -> bool:
    """Whether the last order went out and nobody knows what the provider said."""
    return ProviderCall.objects.filter(reference=job.reference, outcome__in=["", UNKNOWN]).exists()


def answer_to(job: Job) -> Report | ProviderError | None:
    """What the provider said to this attempt; None while nobody knows."""
    call = ProviderCall.objects.filter(reference=job.reference).exclude(answered_at=None).first()
    if call is None:
        return None
    if call.outcome != ACCEPTED:
        return error_from_json(call.answer)
    said = call.answer
    return Report(
        state=JobState(said["state"]),
        ref=said["ref"],
        progress=said["progress"],
        files=tuple(RemoteFile(role=file["role"], url=file["url"]) for file in said["files"]),
        error=error_from_json(said["error"]) if said["error"] else None,
    )


def forget_results(job: Job) -> None:
    """The job has its files: where the provider keeps them is of no use any more."""
    call = ProviderCall.objects.filter(reference=job.reference).first()
    if call and call.answer.get("files"):
        call.answer = call.answer | {"files": []}
        call.save(update_fields=["answer"])


def known_among(references: list[str]) -> set[str]:
    """Those that the provider is known to have accepted, or refused."""
    known = ProviderCall.objects.filter(reference__in=references, outcome__in=[ACCEPTED, REFUSED])
    return set(known.values_list("reference", flat=True)) if references else set()


# --- What nobody wants any more -------------------------------------------------------------------------------------


def unwanted(job: Job) -> None:
    """The provider is to be told to stop, in the transaction that ends the job; also one that has not answered yet."""
    ProviderCall.objects.filter(reference=job.reference).update(cancel_wanted_at=timezone.now())


def to_cancel(most: int = 100) -> list[ProviderCall]:
    """Accepted jobs that nobody wants."""
    wanted = ProviderCall.objects.filter(cancel_wanted_at__isnull=False, outcome=ACCEPTED).exclude(provider_job_id="")
    return list(wanted.order_by("cancel_wanted_at")[:most])


def cancelled(call: ProviderCall) -> None:
    """The provider was told, or will not be told any more."""
    ProviderCall.objects.filter(pk=call.pk).update(cancel_wanted_at=None)


def not_cancelled(call: ProviderCall) -> None:
    """Telling it failed: again at the next sweep, some times."""
    tries = call.cancel_tries + 1
    given_up = {"cancel_wanted_at": None} if tries >= MOST_CANCEL_TRIES else {}
    ProviderCall.objects.filter(pk=call.pk).update(cancel_tries=tries, **given_up)


# --- The file for what could not be written -------------------------------------------------------------------------


def spool_folder() -> Path:
    """Answers that wait for the database, one file each."""
    folder: Path = settings.DATA_DIR / "spool"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def spool(reference: str, fields: dict[str, Any]) -> None:
    """Keep an answer on this machine's disk, for sure."""
    path = spool_folder() / f"{reference}.json"
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(fields, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    logger.error("an answer is kept in a file until the database is back", extra={"reference": reference})


def spooled() -> list[Path]:
    """What could not be written before."""
    return sorted(spool_folder().glob("*.json"))


def read_spool(path: Path) -> None:
    """Write one such answer. Doubled, it writes the same again. A file of no use is put aside, not thrown away."""
    try:
        known = write(path.stem, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        known = False
    if known:
        path.unlink(missing_ok=True)
    else:
        logger.error("a spooled answer fits no call: put aside", extra={"file": path.name})
        path.replace(path.with_suffix(".aside"))
