"""Counters on a model's row, proven against what they count (the ground's slot RECOUNTS, see `lumi.tallies`)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet

from gallery.models import Model, Report
from lumi.again import again_after_deadlock
from lumi.tallies import Difference, Page

SIZE = 500
Counting = Callable[[Sequence[str]], dict[str, int]]  # ids of models -> how many rows each has; none for no rows


def recount(*, mend: bool) -> Iterator[Page]:
    """How many open reports each model has."""
    return proven({"open_reports": open_reports}, mend=mend)


def open_reports(model_ids: Sequence[str]) -> dict[str, int]:
    """By model."""
    return by_model(Report.objects.filter(model__in=model_ids, state=Report.State.OPEN))


def by_model(rows: QuerySet[Any]) -> dict[str, int]:
    """How many of these rows each model has."""
    return dict(rows.order_by().values_list("model").annotate(Count("pk")))


def proven(countings: Mapping[str, Counting], *, mend: bool) -> Iterator[Page]:
    """All models, a page at a time, their counters compared with what is counted."""
    last = ""
    yield Page("models", tuple(countings), 0)  # what is proven, also where there is no model
    while rows := list(Model.objects.filter(pk__gt=last).order_by("pk").values("pk", *countings)[:SIZE]):
        last = rows[-1]["pk"]
        doubtful = [
            (name, row["pk"]) for name, counted in counted_for(rows, countings).items() for row in rows
            if row[name] != counted.get(row["pk"], 0)
        ]  # fmt: skip
        found = [settle(model_id, name, countings[name], mend=mend) for name, model_id in doubtful]
        yield Page("models", tuple(countings), len(rows), tuple(one for one in found if one))


def counted_for(rows: list[dict[str, Any]], countings: Mapping[str, Counting]) -> dict[str, dict[str, int]]:
    """What is counted for these models, by counter."""
    ids = [row["pk"] for row in rows]
    return {name: counting(ids) for name, counting in countings.items()}


@again_after_deadlock
@transaction.atomic
def settle(model_id: str, counter: str, counting: Counting, *, mend: bool) -> Difference | None:
    """Look again while the model is held, as whoever likes or reports it holds it; None if all is well, or it is gone.
    `updated_at` does not move."""
    model = Model.objects.select_for_update().with_id(model_id)
    kept, counted = getattr(model, counter, 0), counting([model_id]).get(model_id, 0)
    if model is None or kept == counted:
        return None
    if mend:
        Model.objects.filter(pk=model_id).update(**{counter: counted})
    return Difference(counter, model_id, kept, counted)
