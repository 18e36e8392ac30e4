"""The slot DEMO_DATA of interactions: what invented people make of invented models, and what staff have decided about
them: likes and favourites, reports, decisions, appeals. See `lumi.demo`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from gallery.models import Appeal, Decision, Model, Moderation, Report
from interactions.actions import COUNTERS, withdraw
from interactions.models import Kind, ModelInteraction
from lumi.demo import BATCH, Person, Plan, between, id_at, in_batches, insert
from lumi.pages import pages

MOST_LIKES = 2000  # of one model
COUNTED = ("like_count", "favorite_count", "open_reports")
REPORT_TEXTS = (
    "",
    "",
    "这是别人的作品。",
    "Looks like a weapon to me.",
    "广告。",
    "This is my design!",
    "不适合孩子看。",
)
HIDE_REASONS = ("含有他人的商标。", "This shows a weapon.", "内容不适合公开展示。", "The name is an advertisement.")
APPEALS = (
    "这是我自己设计的，请再看一看。",
    "It is a toy, not a weapon.",
    "名称已经改了。",
    "The author allows it.",
)
DECIDED_BY = "demo"


def fill(plan: Plan) -> None:
    """Page by page over the models of the plan's people, in the order of their ids."""
    teller = Teller(plan)
    done = 0
    for page in pages_of(plan):
        rows = [row for model in page if model.published_at for row in teller.tell(model)]
        with transaction.atomic():
            insert(rows)
            Model.objects.bulk_update([model for model in page if any(counts_of(model))], COUNTED)
        done += len(page)
        plan.tell("likes and reports", done, plan.models)


def pages_of(plan: Plan) -> Iterator[list[Model]]:
    """All models of the plan's people, a page at a time."""
    people = {person.id for person in plan.people}
    for page in pages(Model.objects.defer("files", "description"), BATCH):
        yield [model for model in page if model.owner_id in people]


def counts_of(model: Model) -> list[int]:
    """The counters that are written here."""
    return [getattr(model, name) for name in COUNTED]


class Teller:
    """Makes the rows that hang on a model, and counts them in it."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.dice = plan, plan.dice("interactions")
        self.reported = self.choose_reported()

    def choose_reported(self) -> Counter[str]:
        """How many reports each model that everybody sees has: few have any, and some of those have several."""
        people = {person.id for person in self.plan.people}
        shown = Model.objects.in_gallery().order_by("pk").values_list("pk", "owner_id")
        ids = [pk for pk, owner_id in shown if owner_id in people]
        targets = self.dice.sample(ids, min(len(ids), max(1, self.plan.reports * 2 // 3)))
        chosen = (targets[int(len(targets) * self.dice.random() ** 1.5)] for _ in range(self.plan.reports))
        return Counter(chosen) if targets else Counter()

    def tell(self, model: Model) -> Iterator[Any]:
        """Everything about one model that was published."""
        for kind, share in ((Kind.LIKE, 0.2), (Kind.FAVORITE, 0.06)):
            fans = self.others(model, min(MOST_LIKES, int(model.view_count * self.dice.uniform(0, share))))
            setattr(model, COUNTERS[kind], len(fans))
            yield from (self.interaction(model, person, kind) for person in fans)
        if model.moderation == Moderation.HIDDEN:
            yield from self.hidden(model)
        else:
            yield from self.reports(model, self.reported[model.pk])

    def others(self, model: Model, count: int) -> Sequence[Person]:
        """So many people who are not its owner, or as many as there are."""
        people = self.dice.sample(self.plan.people, min(count, len(self.plan.people)))
        return [person for person in people if person.id != model.owner_id]

    def since(self, model: Model) -> datetime:
        """Some moment since it was published."""
        return between(model.published_at or self.plan.now, self.plan.now, self.dice)

    def interaction(self, model: Model, person: Person, kind: Kind) -> ModelInteraction:
        """Somebody likes or keeps it."""
        at = self.since(model)
        return ModelInteraction(id=id_at(at, self.dice), user_id=person.id, model_id=model.pk, type=kind, created_at=at)

    # --- What staff see -----------------------------------------------------------------------------------------------

    def reports(self, model: Model, count: int) -> Iterator[Report]:
        """Some are still open, never so many that they would have hidden it."""
        most_open = settings.REPORTS_THAT_HIDE - 1 if settings.REPORTS_THAT_HIDE else count
        for person in self.others(model, count):
            is_open = model.open_reports < most_open and self.dice.random() < 0.6
            model.open_reports += is_open
            yield self.report(model, person, Report.State.OPEN if is_open else Report.State.DISMISSED)

    def report(self, model: Model, person: Person, state: Report.State) -> Report:
        """One person's."""
        at = self.since(model)
        is_open = state == Report.State.OPEN
        return Report(
            id=id_at(at, self.dice), model_id=model.pk, reporter_id=person.id,
            reason=self.dice.choice(Report.Reason.values), text=self.dice.choice(REPORT_TEXTS), state=state,
            is_open=True if is_open else None, decided_by="" if is_open else DECIDED_BY,
            decided_at=None if is_open else between(at, self.plan.now, self.dice), created_at=at,
        )  # fmt: skip

    def hidden(self, model: Model) -> Iterator[Any]:
        """Why it is hidden; some owners do not agree."""
        at = self.since(model)
        decision = Decision(
            id=id_at(at, self.dice), model_id=model.pk, verdict=Decision.Verdict.HIDDEN,
            reason=self.dice.choice(HIDE_REASONS), created_at=at,
        )  # fmt: skip
        yield from (self.report(model, person, Report.State.UPHELD) for person in self.others(model, 1))
        yield decision
        if self.dice.random() < 0.4:
            yield self.appeal(decision)

    def appeal(self, decision: Decision) -> Appeal:
        """Against a decision: not looked at yet, or refused; had it been granted, the model would be shown."""
        at = between(decision.created_at, self.plan.now, self.dice)
        row = Appeal(id=id_at(at, self.dice), decision_id=decision.pk, text=self.dice.choice(APPEALS), created_at=at)
        if self.dice.random() < 0.5:
            row.state, row.answer, row.decided_by = Appeal.State.REFUSED, "维持原来的决定。", DECIDED_BY
            row.decided_at = between(at, self.plan.now, self.dice)
        return row


def remove(people_ids: Sequence[str]) -> None:
    """Their likes and favourites, and those of anybody on what is theirs. What they like of somebody else's goes one by
    one, so that its counter follows."""
    theirs = ModelInteraction.objects.filter(user_id__in=people_ids)
    of_others = theirs.exclude(model__owner_id__in=people_ids)
    for pk, model_id, kind in of_others.values_list("pk", "model_id", "type"):
        withdraw(pk, model_id, Kind(kind))
    models = list(Model.objects.filter(owner_id__in=people_ids).values_list("pk", flat=True))
    for ids in in_batches(models):
        ModelInteraction.objects.filter(model_id__in=ids).delete()
