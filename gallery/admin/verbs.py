"""What a moderator can do to a model, one key or click each: the words, and the doing of it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from gallery import moderation
from gallery.models import Decision, Model, Moderation
from lumi.accounts.models import User
from lumi.errors import Conflict, LumiError, NotFound

MODERATE, SUSPEND = "gallery.moderate_model", "accounts.suspend_user"
GONE = _("This model is gone: somebody has removed it.")
# What is said most often; the owner reads it.
USUAL_REASONS = (
    _("It shows sexual content."),
    _("It shows violence or hate."),
    _("It is a weapon, or something dangerous."),
    _("It is somebody else's work."),
    _("It is advertising or nonsense."),
    _("It cannot be printed, or is broken."),
)


class Verb(NamedTuple):
    """`key`: on the keyboard. `reason`: whether the owner must be told one, None: nobody is told. `sure`: asked once
    more before it is done. `many`: for several models at once, too. `run`: takes a model's id, a reason, who acts."""

    name: str
    key: str
    label: Promise
    done: Promise
    run: Callable[[str, str, User], Any]
    reason: bool | None
    sure: bool = False
    many: bool = True
    needs: str = MODERATE


def approve(model_id: str, _reason: str, by: User) -> None:
    """It may be shown, and reports on it are done with."""
    moderation.approve(model_id=model_id, by=by)


def hide(model_id: str, reason: str, by: User) -> None:
    """Nobody but its owner sees it."""
    moderation.hide(model_id=model_id, reason=reason, by=by)


def restore(model_id: str, reason: str, by: User) -> None:
    """It is seen again."""
    moderation.restore(model_id=model_id, reason=reason, by=by)


def remove(model_id: str, reason: str, by: User) -> None:
    """Rows and files go."""
    moderation.remove(model_id=model_id, reason=reason, by=by)


def warn(model_id: str, reason: str, by: User) -> None:
    """Its owner gets a strike."""
    moderation.warn(model_id=model_id, reason=reason, by=by)


def suspend(model_id: str, reason: str, by: User) -> None:
    """Its owner can come in no more, and all that is theirs is hidden."""
    moderation.suspend_owner(model_id=model_id, reason=reason, by=by)


VERBS = {
    verb.name: verb
    for verb in (
        Verb("approve", "a", _("Approve"), _("“%(name)s” was approved."), approve, reason=None),
        Verb("hide", "h", _("Hide"), _("“%(name)s” was hidden."), hide, reason=True),
        Verb("restore", "r", _("Restore"), _("“%(name)s” is shown again."), restore, reason=False),
        Verb("remove", "d", _("Remove"), _("“%(name)s” was removed."), remove, reason=True, sure=True),
        Verb("warn", "w", _("Warn the owner"), _("The owner of “%(name)s” was warned."), warn, reason=True, many=False),
        Verb(
            "suspend", "s", _("Suspend the owner"), _("The owner of “%(name)s” was suspended."), suspend,
            reason=True, sure=True, many=False, needs=SUSPEND,
        ),
    )
}  # fmt: skip


def verbs_for(user: Any, *, many: bool = False) -> list[Verb]:
    """Those that this member of staff may use; `many`: on several models at once."""
    if not user.has_perm(MODERATE):
        return []
    return [verb for verb in VERBS.values() if user.has_perm(verb.needs) and (verb.many or not many)]


def is_of_use(verb: Verb, model: Model) -> bool:
    """Whether there is anything to do for it, as the model stands."""
    is_hidden, waits = model.moderation == Moderation.HIDDEN, moderation.waits(model)
    return {"approve": waits, "hide": waits or not is_hidden, "restore": is_hidden}.get(verb.name, True)


class AlreadyDecided(Conflict):
    """Somebody else was faster."""


class Outcome(NamedTuple):
    """What became of one model. `seen`: its newest decision, for whoever decides next."""

    id: str
    status: int
    message: str
    seen: str

    @property
    def ok(self) -> bool:
        """It was done."""
        return self.status < 400


def perform(verb: Verb, model_id: str, *, reason: str, seen: str | None, by: User) -> Outcome:
    """Do it, and tell how that went: in a sentence, whatever happens. `seen`: the newest decision that `by` knew of, ""
    for none; None: whatever it is."""
    try:
        name = name_of(model_id, seen)
        verb.run(model_id, reason, by)
    except NotFound:
        return Outcome(model_id, NotFound.status, str(GONE), "")
    except LumiError as error:
        return Outcome(model_id, error.status, str(error.message), newest_decision(model_id))
    return Outcome(model_id, 200, verb.done % {"name": name}, newest_decision(model_id))


def name_of(model_id: str, seen: str | None) -> str:
    """The model's name. Raises NotFound, and AlreadyDecided where there is a newer decision than the one seen."""
    model = Model.objects.with_id(model_id)
    if model is None:
        raise NotFound
    last = decisions_of(model_id).select_related("decided_by").first()
    if seen is not None and last is not None and last.pk != seen:
        raise AlreadyDecided(already_decided(model, last))
    return model.name


def already_decided(model: Model, decision: Decision) -> str:
    """Who was faster, and with what."""
    words = {
        "name": model.name,
        "who": decision.decided_by.shown_name if decision.decided_by else _("the system"),
        "verdict": decision.get_verdict_display(),
    }
    return _("“%(name)s” has just been decided by %(who)s: %(verdict)s. If you see it otherwise, do it again.") % words


def decisions_of(model_id: str) -> Any:
    """Newest first."""
    return Decision.objects.filter(model_id=model_id).order_by("-created_at", "-id")


def newest_decision(model_id: str) -> str:
    """Its id, or ""."""
    return decisions_of(model_id).values_list("pk", flat=True).first() or ""


def summary(outcomes: Sequence[Outcome]) -> str:
    """One sentence about all of them."""
    if len(outcomes) == 1:
        return outcomes[0].message
    done = sum(outcome.ok for outcome in outcomes)
    return _("%(done)d of %(all)d were done.") % {"done": done, "all": len(outcomes)}
