"""What a moderator must know of a model to decide about it: gathered for a page of them, with one query a fact."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NamedTuple

from django.db.models import Count
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from gallery.admin.glb import can_be_shown
from gallery.admin.verbs import Verb, is_of_use, verbs_for
from gallery.facts import ModelFacts, facts_of, prompts_of
from gallery.models import Appeal, Decision, Model, Report
from lumi import files
from lumi.accounts.models import Notice, NoticeKind, Strike

PICTURES = (".png", ".jpg", ".jpeg", ".webp")
MOST_REPORTS = 200  # whose words are read out on one page; all are counted


class Link(NamedTuple):
    """A file to look at."""

    label: str
    address: str | None
    size: int


@dataclass
class Card:
    """One model. `seen`: its newest decision's id; `strikes` and `hidden_before`: of its owner; `reasons`: of open
    reports, with how many."""

    model: Model
    preview: str | None
    pictures: list[Link]
    verbs: list[Verb]
    facts: ModelFacts
    prompt: str = ""
    strikes: int = 0
    hidden_before: int = 0
    reasons: list[tuple[str, int]] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    decision: Decision | None = None
    appeal: Appeal | None = None
    may_answer: bool = False

    @property
    def seen(self) -> str:
        """What whoever decides now has known."""
        return self.decision.pk if self.decision else ""

    @property
    def turns(self) -> bool:
        """It can be looked at in 3D."""
        return can_be_shown(self.model)

    @property
    def request_link(self) -> str:
        """The page of the request that it came from, or ""."""
        return page_of("generation_generationrequest", self.facts.get("requestId"))

    @property
    def job_link(self) -> str:
        """The page of the job that makes it, or ""."""
        job = self.facts.get("generationJob")
        return page_of("generation_modelgenerationjob", job["id"] if job else None)

    @property
    def owner_link(self) -> str:
        """The page of its owner."""
        return page_of("accounts_user", self.model.owner_id)


def page_of(kind: str, pk: str | None) -> str:
    """The admin's page of a row of any room, by name; "" where there is no row, or no such room."""
    try:
        return reverse(f"admin:{kind}_change", args=[pk]) if pk else ""
    except NoReverseMatch:
        return ""


def cards_for(models: Sequence[Model], request: HttpRequest) -> list[Card]:
    """Seven queries, however many there are; their owners come with the models."""
    ids, owners = [model.pk for model in models], {model.owner_id for model in models}
    facts, prompts, verbs = facts_of(ids), prompts_of(ids), verbs_for(request.user)
    strikes, hidden, decisions = strikes_of(owners), hidden_of(owners), newest_decisions(ids)
    reasons, reports = reasons_for(ids), open_reports(ids)
    return [
        Card(
            model=model,
            preview=files.url(model.key("preview"), request),
            pictures=pictures_of(model, request),
            verbs=[verb for verb in verbs if is_of_use(verb, model)],
            facts=facts.get(model.pk, {}),
            prompt=prompts.get(model.pk, ""),
            strikes=strikes.get(model.owner_id, 0),
            hidden_before=hidden.get(model.owner_id, 0),
            reasons=reasons[model.pk],
            reports=reports[model.pk],
            decision=decisions.get(model.pk),
        )
        for model in models
    ]


def files_of(model: Model, request: HttpRequest) -> list[Link]:
    """All files of a model."""
    return [Link(file["role"], files.url(file["key"], request), file["size"]) for file in model.files]


def pictures_of(model: Model, request: HttpRequest) -> list[Link]:
    """Those that are pictures, but for the preview."""
    shown = [file for file in model.files if file["role"] != "preview"]
    return [
        Link(file["role"], files.url(file["key"], request), file["size"])
        for file in shown
        if PurePath(file["key"]).suffix.lower() in PICTURES
    ]


def strikes_of(owners: Iterable[str]) -> dict[str, int]:
    """How many warnings they have had."""
    rows = Strike.objects.filter(user__in=owners).order_by().values_list("user")
    return dict(rows.annotate(many=Count("pk")))


def hidden_of(owners: Iterable[str]) -> dict[str, int]:
    """How many of their models were ever hidden, as they were told: also of those that are gone by now."""
    rows = Notice.objects.filter(user__in=owners, kind=NoticeKind.MODEL_HIDDEN).order_by().values_list("user")
    return dict(rows.annotate(many=Count("about", distinct=True)))


def newest_decisions(ids: Sequence[str]) -> dict[str, Decision]:
    """The one that counts, by model, with who has decided."""
    rows = Decision.objects.filter(model__in=ids).select_related("decided_by").order_by("created_at", "id")
    return {decision.model_id: decision for decision in rows}


def reasons_for(ids: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """Of open reports, by model, the most frequent first, each with how many."""
    found: dict[str, list[tuple[str, int]]] = defaultdict(list)
    rows = Report.objects.filter(model__in=ids, is_open=True).order_by().values("model", "reason")
    for row in rows.annotate(many=Count("pk")).order_by("-many", "reason"):
        found[row["model"]].append((str(Report.Reason(row["reason"]).label), row["many"]))
    return found


def open_reports(ids: Sequence[str]) -> dict[str, list[Report]]:
    """By model, newest first, with who reports."""
    found: dict[str, list[Report]] = defaultdict(list)
    rows: Any = Report.objects.filter(model__in=ids, is_open=True).select_related("reporter")
    for report in rows.order_by("-created_at", "-id")[:MOST_REPORTS]:
        found[report.model_id].append(report)
    return found
