"""What staff decide about models. Whoever is second gets Settled, and nothing is decided twice.

In every transaction the model's row is locked first, and the audit trail's end last. `by`: the member of staff who is
signed in; None where a script decides. Who it was for the trail is `lumi.process.acting_as`.
"""

from functools import partial
from typing import Any, NamedTuple

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from gallery import actions, reports, sharing
from gallery.actions import locked
from gallery.models import Appeal, Decision, Model, Moderation, Report
from lumi import audit
from lumi.accounts import conduct
from lumi.accounts.models import TOMBSTONE, NoticeKind, User
from lumi.again import again_after_deadlock
from lumi.errors import Forbidden, InvalidState, NotFound


class Settled(InvalidState):
    """Somebody was faster, or clicked twice."""

    message = _("This was decided already, or there is nothing to decide. Please reload the page.")


class SomebodyElse(Forbidden):
    """Nobody judges what they have decided themselves."""

    message = _("You have made the decision that this appeal is against. Another member of staff has to look at it.")


class NobodyThere(InvalidState):
    """The account was deleted; the model was left to everybody."""

    message = _("This model has no owner any more.")


class Outcome(NamedTuple):
    """What goes with a verdict: what becomes of open reports and appeals, and what the owner is told."""

    reports: Report.State
    appeals: Appeal.State
    notice: NoticeKind


OUTCOMES = {
    Decision.Verdict.APPROVED: Outcome(Report.State.DISMISSED, Appeal.State.GRANTED, NoticeKind.MODEL_APPROVED),
    Decision.Verdict.HIDDEN: Outcome(Report.State.UPHELD, Appeal.State.REFUSED, NoticeKind.MODEL_HIDDEN),
    Decision.Verdict.RESTORED: Outcome(Report.State.DISMISSED, Appeal.State.GRANTED, NoticeKind.MODEL_RESTORED),
}
LOOKED_AT: dict[str, Any] = {"review_since": None, "open_reports": 0}


# --- Verdicts ---------------------------------------------------------------------------------------------------------
def approve(*, model_id: str, by: User | None = None) -> None:
    """It may be seen, and need not be looked at any more; also what only reports have hidden. Raises NotFound, Settled,
    Conflict, StorageAway."""
    then = partial(conclude, verdict=Decision.Verdict.APPROVED, reason="", by=by)
    sharing.settle(partial(locked, model_id), approved, then)


def approved(model: Model) -> dict[str, Any]:
    """What staff have hidden themselves has nothing to look at: that is restored."""
    if not waits(model):
        raise Settled
    return {"moderation": sharing.shown(model), **LOOKED_AT}


def hide(*, model_id: str, reason: str, by: User | None = None) -> None:
    """Nobody but its owner sees it, who reads the reason: at once, and by an old address neither. Raises NotFound,
    Settled, BadReason."""
    reason = conduct.checked_reason(reason)
    then = partial(conclude, verdict=Decision.Verdict.HIDDEN, reason=reason, by=by)
    sharing.take_down(partial(locked, model_id), hidden, then)


def hidden(model: Model) -> dict[str, Any]:
    """What reports have hidden is hidden for good by this."""
    if model.moderation == Moderation.HIDDEN and not waits(model):
        raise Settled
    return {"moderation": Moderation.HIDDEN, **LOOKED_AT}


def restore(*, model_id: str, reason: str = "", by: User | None = None) -> None:
    """What was hidden is shown again, as it was. Raises NotFound, Settled, BadReason, Conflict, StorageAway."""
    reason = conduct.checked_reason(reason, required=False)
    then = partial(conclude, verdict=Decision.Verdict.RESTORED, reason=reason, by=by)
    sharing.settle(partial(locked, model_id), restored, then)


def restored(model: Model) -> dict[str, Any]:
    """Whatever it was before it was hidden: it has been looked at."""
    if model.moderation != Moderation.HIDDEN:
        raise Settled
    return {"moderation": sharing.shown(model), **LOOKED_AT}


def waits(model: Model) -> bool:
    """Whether staff are to look at it."""
    return model.review_since is not None or model.open_reports > 0


def conclude(
    model: Model,
    was: str,
    *,
    verdict: Decision.Verdict,
    reason: str,
    by: User | None,
    notice: NoticeKind | None = None,
) -> None:
    """What goes with a verdict. An owner who has missed nothing is not told of an approval."""
    outcome = OUTCOMES[verdict]
    reports.close(model, outcome.reports)
    reports.close_appeals(model, outcome.appeals, reason)
    missed_nothing = verdict == Decision.Verdict.APPROVED and was in (Moderation.VISIBLE, Moderation.SUSPENDED)
    kind = None if missed_nothing else notice or outcome.notice
    reports.decide(model, was, verdict=verdict, reason=reason, by=by, notice=kind)


# --- Appeals ----------------------------------------------------------------------------------------------------------
def decide_appeal(*, appeal_id: str, granted: bool, answer: str, by: User | None) -> None:
    """The model is shown again, or stays hidden for good; the owner reads the answer, which a refusal must have. Raises
    NotFound, Settled, SomebodyElse, BadReason, Conflict, StorageAway."""
    answer = conduct.checked_reason(answer, required=not granted)
    appeal = Appeal.objects.select_related("decision").filter(pk=appeal_id).first()
    if appeal is None:
        raise NotFound
    find = partial(contested, appeal, by)
    if granted:
        verdict, notice = Decision.Verdict.RESTORED, NoticeKind.APPEAL_GRANTED
        sharing.settle(find, restored, partial(conclude, verdict=verdict, reason=answer, by=by, notice=notice))
    else:
        sharing.settle(find, lambda model: LOOKED_AT, partial(refuse, answer=answer))


def contested(appeal: Appeal, by: User | None) -> Model:
    """The appeal's model, locked, if this person may decide. Raises NotFound, Settled, SomebodyElse."""
    model = locked(appeal.decision.model_id)
    if not Appeal.objects.filter(pk=appeal.pk, state=Appeal.State.OPEN).exists():
        raise Settled
    if by is not None and by.pk == appeal.decision.decided_by_id:
        raise SomebodyElse
    return model


def refuse(model: Model, was: str, *, answer: str) -> None:
    """It stays hidden; and if only reports had hidden it, they are upheld."""
    reports.close(model, Report.State.UPHELD)
    reports.close_appeals(model, Appeal.State.REFUSED, answer)
    reports.tell_owner(model, NoticeKind.APPEAL_REFUSED, answer)
    audit.record("appeal refused", ("model", model.pk), reason=answer)


# --- Beyond the model -------------------------------------------------------------------------------------------------
@again_after_deadlock
@transaction.atomic
def remove(*, model_id: str, reason: str, by: User | None = None) -> None:
    """It goes, rows and files; its owner reads why. Raises NotFound, BadReason."""
    reason = conduct.checked_reason(reason)
    model = Model.objects.with_id(model_id)
    if model is None:
        raise NotFound
    actions.erase(model_id=model_id)
    reports.tell_owner(model, NoticeKind.MODEL_REMOVED, reason)
    was = {"owner": model.owner_id, "visibility": model.visibility, "moderation": model.moderation}
    audit.record("removed", ("model", model_id), reason=reason, before=was)


def warn(*, model_id: str, reason: str, by: User | None = None) -> None:
    """Its owner gets a strike. The model stays as it is. Raises NotFound, NobodyThere, BadReason."""
    conduct.warn(person_id=owner_of(model_id), reason=reason, about=model_id)


def suspend_owner(*, model_id: str, reason: str, by: User | None = None) -> None:
    """Its owner comes in no more, and all that is theirs is out of sight. Raises NotFound, NobodyThere, what
    `conduct.suspend` raises, and Settled for somebody who is suspended already."""
    if not conduct.suspend(person_id=owner_of(model_id), reason=reason, by=by):
        raise Settled


def owner_of(model_id: str) -> str:
    """The id of its owner. Raises NotFound, NobodyThere."""
    model = Model.objects.with_id(model_id)
    if model is None:
        raise NotFound
    if model.owner_id == TOMBSTONE:
        raise NobodyThere
    return model.owner_id
