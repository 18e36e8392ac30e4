"""Likes and favourites on a model's row, proven against the rows here (the ground's slot RECOUNTS)."""

from collections.abc import Iterator, Sequence
from functools import partial

from gallery.counters import by_model, proven
from interactions.actions import COUNTERS
from interactions.models import Kind, ModelInteraction
from lumi.tallies import Page


def recount(*, mend: bool) -> Iterator[Page]:
    """How many like each model, and how many keep it."""
    return proven({counter: partial(interactions, kind) for kind, counter in COUNTERS.items()}, mend=mend)


def interactions(kind: Kind, model_ids: Sequence[str]) -> dict[str, int]:
    """By model."""
    return by_model(ModelInteraction.objects.filter(model__in=model_ids, type=kind))
