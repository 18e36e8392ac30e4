"""What people say against a model, and its owner against a decision; and how decisions are written down."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TypedDict

from django.conf import settings
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gallery.actions import change, get_own, get_visible
from gallery.models import Appeal, Decision, Model, Moderation, Report
from gallery.sharing import lay_quietly
from lumi import audit
from lumi.accounts import notices
from lumi.accounts.exports import Record, each
from lumi.accounts.models import TOMBSTONE, NoticeKind, User
from lumi.again import again_after_deadlock
from lumi.errors import Conflict, Forbidden, InvalidState
from lumi.process import acting_as, actor


class OwnModel(Forbidden):
    """Whoever does not want to show their model any more takes it back."""

    message = _("This model is yours. You can stop sharing it, or delete it.")


class ReportedAlready(Conflict):
    """One open report a person and model."""

    message = _("You have reported this model already. We will look at it.")


class NothingToAppeal(InvalidState):
    """It is not hidden, or was hidden by nobody's decision."""

    message = _("There is no decision about this model that you could appeal against.")


class AppealedAlready(Conflict):
    """One appeal a decision."""

    message = _("You have appealed against this decision already.")


class Standing(TypedDict):
    """How a model stands with staff, for its owner. `reason` is of the newest decision, "" where there is none."""

    state: str
    reason: str
    decided_at: datetime | None
    can_appeal: bool


# --- What people do ---------------------------------------------------------------------------------------------------
def report(*, user: User, model_id: str, reason: str, text: str = "") -> Report:
    """Somebody finds that this should not be shown. Enough open reports hide it until staff have looked at it. Raises
    NotFound, OwnModel, ReportedAlready."""
    with acting_as(f"person {user.pk}"):
        made, hides = write_report(user, model_id, reason, text)
    if hides:
        lay_quietly(model_id)
    return made


@again_after_deadlock
@transaction.atomic
def write_report(user: User, model_id: str, reason: str, text: str) -> tuple[Report, bool]:
    """The report, and whether it was the one too many. While the model is locked nobody else reports or decides."""
    model = get_visible(user=user, model_id=model_id, locked=True)
    if model.owner_id == user.pk:
        raise OwnModel
    given = {"reason": reason, "text": text}
    made, is_new = Report.objects.get_or_create(model=model, reporter=user, is_open=True, defaults=given)
    if not is_new:
        raise ReportedAlready
    Model.objects.count_one_more(model_id, "open_reports")
    hides = 0 < settings.REPORTS_THAT_HIDE <= model.open_reports + 1
    if hides:
        hide_for_now(model)
    audit.record("reported", ("model", model_id), reason=reason, after={"report": made.pk})
    return made, hides


def hide_for_now(model: Model) -> None:
    """Until staff have looked at it: the reports stay open."""
    was = model.moderation
    change(model, moderation=Moderation.HIDDEN)
    language = model.owner.language or settings.LANGUAGE_CODE
    with translation.override(language):
        reason = gettext("Several people have reported this model. It is hidden until we have looked at it.")
    decide(model, was, verdict=Decision.Verdict.HIDDEN, reason=reason)


def withdraw_all(user: User, *, keep_public: bool) -> None:
    """A person goes (the accounts' slot): so do their reports and appeals, whatever else stays, and the counters
    follow."""
    Appeal.objects.filter(decision__model__owner=user).delete()
    for pk, model_id in Report.objects.filter(reporter=user).values_list("pk", "model_id"):
        withdraw(pk, model_id)


@again_after_deadlock
@transaction.atomic
def withdraw(pk: str, model_id: str) -> None:
    """Take one back. The model is locked first, as by `report`. What enough reports have hidden stays hidden until
    staff have looked at it."""
    Model.objects.select_for_update().with_id(model_id)
    gone = Report.objects.filter(pk=pk)
    was_open = gone.filter(is_open=True).exists()
    if gone.delete()[0] and was_open:
        Model.objects.count_one_more(model_id, "open_reports", by=-1)


def export(user: User) -> Iterator[Record]:
    """All that a person has reported (the accounts' slot)."""
    for row in each(Report.objects.filter(reporter=user)):
        yield Record({
            "modelId": row.model_id, "reason": row.reason, "text": row.text, "state": row.state,
            "createdAt": row.created_at,
        })  # fmt: skip


@again_after_deadlock
@transaction.atomic
def appeal(*, user: User, model_id: str, text: str) -> Appeal:
    """The owner does not agree. Raises NotFound, NotYours, NothingToAppeal, AppealedAlready."""
    model = get_own(user=user, model_id=model_id)
    decision = newest_decision(model)
    if decision is None or not hides(model, decision):
        raise NothingToAppeal
    made, is_new = Appeal.objects.get_or_create(decision=decision, defaults={"text": text})
    if not is_new:
        raise AppealedAlready
    with acting_as(f"person {user.pk}"):
        audit.record("appealed", ("model", model_id), after={"appeal": made.pk, "decision": decision.pk})
    return made


# --- Decisions --------------------------------------------------------------------------------------------------------
def newest_decision(model: Model) -> Decision | None:
    """The one that counts."""
    return Decision.objects.filter(model=model).order_by("-created_at", "-id").first()


def hides(model: Model, decision: Decision) -> bool:
    """Whether the model is hidden because of it."""
    return model.moderation == Moderation.HIDDEN and decision.verdict == Decision.Verdict.HIDDEN


def standings_of(models: Sequence[Model]) -> dict[str, Standing]:
    """How these stand with staff, by id; without the visible ones about which nothing was ever decided. One query, none
    for no models."""
    if not models:
        return {}
    decisions = Decision.objects.filter(model__in=models).select_related("appeal").order_by("created_at", "id")
    newest = {decision.model_id: decision for decision in decisions}
    spoken_of = [model for model in models if model.pk in newest or model.moderation != Moderation.VISIBLE]
    return {model.pk: standing(model, newest.get(model.pk)) for model in spoken_of}


def standing(model: Model, decision: Decision | None) -> Standing:
    """One model's; `decision` comes with its appeal."""
    return {
        "state": model.moderation,
        "reason": decision.reason if decision else "",
        "decided_at": decision.created_at if decision else None,
        "can_appeal": decision is not None and hides(model, decision) and not hasattr(decision, "appeal"),
    }


def decide(
    model: Model,
    was: str,
    *,
    verdict: Decision.Verdict,
    reason: str,
    by: User | None = None,
    notice: NoticeKind | None = NoticeKind.MODEL_HIDDEN,
) -> None:
    """Write down what was decided about a locked model, and tell its owner (`notice`; None: nothing). `was`: the
    moderation before. The last thing of a transaction."""
    Decision.objects.create(model=model, verdict=verdict, reason=reason, decided_by=by)
    if notice:
        tell_owner(model, notice, reason)
    moved = {"before": {"moderation": was}, "after": {"moderation": model.moderation}}
    audit.record(verdict.lower(), ("model", model.pk), reason=reason, **moved)


def tell_owner(model: Model, kind: NoticeKind, reason: str) -> None:
    """Where there is one: what deleted people have left has none."""
    if model.owner_id != TOMBSTONE:
        notices.tell(user_id=model.owner_id, kind=kind, about=model.pk, name=model.name, reason=reason)


def close(model: Model, state: Report.State) -> None:
    """All open reports of a locked model; the counter is the caller's to write."""
    Report.objects.filter(model=model, is_open=True).update(
        state=state, is_open=None, decided_by=actor.get(), decided_at=timezone.now()
    )


def close_appeals(model: Model, state: Appeal.State, answer: str) -> None:
    """All open appeals of a locked model: at most one is of the decision that counts."""
    Appeal.objects.filter(decision__model=model, state=Appeal.State.OPEN).update(
        state=state, answer=answer, decided_by=actor.get(), decided_at=timezone.now()
    )
