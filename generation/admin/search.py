"""How staff find jobs and requests. What is exact is looked up in an index, a statement each; words of a prompt are
looked for among the newest rows only: no index holds words, and a table of millions is not read for them."""

from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, ModelGenerationJob, ProviderCall
from lumi.accounts.models import User

NEWEST = 3000
MOST_WORDS = 6
HELP = format_lazy(
    _(
        "The id of a job, a request or a model, the provider's job id, or the owner's e-mail address: exact. "
        "Anything else is looked for in the prompts of the newest {many} rows."
    ),
    many=NEWEST,
)


def narrowed(rows: "QuerySet[Any]", term: str, ids: Callable[[str], set[str]], prompts: Iterable[str]) -> Any:
    """The rows that are meant. `ids`: the primary keys that an exact word leads to; `prompts`: the columns of words."""
    term = term.strip()
    if not term:
        return rows
    if "@" in term:
        return rows.filter(owner_id__in=people(term))
    if found := ids(term) if len(term) <= 255 and " " not in term else set():
        return rows.filter(pk__in=found)
    return with_words(rows, term, prompts)


def people(address: str) -> list[str]:
    """The ids of whoever has this address."""
    return list(User.objects.filter(email__iexact=address).values_list("pk", flat=True))


def with_words(rows: "QuerySet[Any]", term: str, prompts: Iterable[str]) -> Any:
    """Of the newest rows, those with all of these words in their prompts."""
    oldest = rows.model._default_manager.order_by("-pk").values_list("pk", flat=True)[NEWEST : NEWEST + 1].first()
    found = rows.filter(pk__gt=oldest) if oldest else rows
    columns = list(prompts)
    for word in term.split()[:MOST_WORDS]:
        condition = Q()
        for column in columns:
            condition |= Q(**{f"{column}__icontains": word})
        found = found.filter(condition)
    return found


def pks(rows: "QuerySet[Any]") -> set[Any]:
    """Primary keys."""
    return set(rows.order_by().values_list("pk", flat=True)[:NEWEST])


def image_job_ids(word: str) -> set[str]:
    """By job, provider's job, image, request. Each has an index of its own, which the database merges."""
    jobs = ImageGenerationJob.objects
    return pks(jobs.filter(Q(pk=word) | Q(provider_job_id=word) | Q(image_id=word))) | pks(jobs.of_request(word))


def model_job_ids(word: str) -> set[str]:
    """By job, provider's job, model, request."""
    mine = Q(pk=word) | Q(provider_job_id=word) | Q(model_id=word) | Q(request_id=word)
    return pks(ModelGenerationJob.objects.filter(mine))


def request_ids(word: str) -> set[str]:
    """By request, or by a job, a picture or a model of it."""
    if found := pks(GenerationRequest.objects.filter(pk=word)):
        return found
    images = ImageGenerationJob.objects.filter(pk__in=image_job_ids(word))
    models = ModelGenerationJob.objects.filter(pk__in=model_job_ids(word))
    return {*images.request_ids(), *models.request_ids()}


def image_ids(word: str) -> set[str]:
    """By image or request."""
    images = GeneratedImage.objects
    return pks(images.filter(pk=word)) | pks(images.filter(request_id=word))


def call_ids(word: str) -> set[int]:
    """By reference, or by job or request; by the provider's id as its job has it, or among the newest calls."""
    calls = ProviderCall.objects
    exact = pks(calls.filter(job_id=word)) | pks(calls.filter(reference=word))
    return exact or pks(calls.filter(job_id__in=image_job_ids(word) | model_job_ids(word))) or newest_calls(word)


def newest_calls(word: str) -> set[int]:
    """Of earlier tries: their provider's id stands in the journal alone, which has no index of it."""
    newest = list(ProviderCall.objects.order_by("-pk").values_list("pk", "provider_job_id")[:NEWEST])
    return {pk for pk, provider_job_id in newest if provider_job_id == word}
