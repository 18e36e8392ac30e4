"""What a person is told for a code: sentences that say what to do, never a provider's text."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from providers.base import Fault

PROMPT_NOT_OPTIMIZED = "PROMPT_NOT_OPTIMIZED"
OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"
TIMEOUT = "TIMEOUT"
CANCELLED = "CANCELLED"
CHOICE_EXPIRED = "CHOICE_EXPIRED"
WORKER_LOST = "WORKER_LOST"
NOT_STORED = "NOT_STORED"
OUR_SIDE = frozenset({OUTCOME_UNKNOWN, TIMEOUT, WORKER_LOST, NOT_STORED})  # the vendor may still have the job
NOT_PAINTED = "NOT_PAINTED"
FAILED_BY_OPERATOR = "FAILED_BY_OPERATOR"
UNWELCOME = "UNWELCOME"

SENTENCES: dict[str, Promise] = {
    PROMPT_NOT_OPTIMIZED: _(
        "We could not refine your prompt this time, so the pictures were painted from your own words."
    ),
    OUTCOME_UNKNOWN: _(
        "We lost the connection while handing over this job and do not know whether it was accepted. "
        "Nothing was charged again. You can try again yourself."
    ),
    TIMEOUT: _("This took too long and was given up. Please try again."),
    CANCELLED: _("This was cancelled."),
    CHOICE_EXPIRED: _("No picture was chosen in time, so this request was closed. Please start a new one."),
    WORKER_LOST: _(
        "Our workers broke down over this job again and again, so it was given up. "
        "Please try again later, or start a new request with other words or another picture."
    ),
    UNWELCOME: _("This is not something that we make here. Please start a new request with another idea."),
    FAILED_BY_OPERATOR: _("Our staff stopped this. You can try again, or start a new request."),
    NOT_STORED: _("This was made, but could not be kept. Please try again: you will not be charged for it again."),
    NOT_PAINTED: _("You brought your own picture, so this one was not painted."),
    Fault.CONTENT_REFUSED: _(
        "The content was refused by the content check. Please change your prompt and start a new request."
    ),
    Fault.INVALID_INPUT: _("This prompt or picture could not be used. Please change it and start a new request."),
    Fault.AUTHENTICATION: _("This cannot be made at the moment, for a reason on our side. Please try again later."),
    Fault.QUOTA_EXHAUSTED: _("Our allowance for this is used up for now. Please try again later."),
    Fault.RATE_LIMITED: _("Too much is being made at the moment. Please try again in a few minutes."),
    Fault.BUSY: _("All places are taken at the moment. Please try again in a few minutes."),
    Fault.UNAVAILABLE: _("The service that makes this is not available at the moment. Please try again later."),
    Fault.NETWORK: _("The service that makes this could not be reached. Please try again later."),
    Fault.BAD_ANSWER: _(
        "The service that makes this gave a result that cannot be used. Please try again, or start a new request."
    ),
    Fault.JOB_LOST: _("The service that makes this has lost your order. Please try again."),
    Fault.JOB_FAILED: _(
        "This could not be made. Please try again, or start a new request with other words or another picture."
    ),
    Fault.RESULT_GONE: _("This was made, but could no longer be fetched. Please try again."),
}
DEFAULT = _("This did not work. Please try again later.")


def sentence(code: str) -> str | None:
    """The sentence for a code, in the reader's language; None for no code."""
    return str(SENTENCES.get(code, DEFAULT)) if code else None
