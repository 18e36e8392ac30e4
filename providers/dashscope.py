"""DashScope, the door of Aliyun's Model Studio: who we are there, what its codes mean, and its tasks.

A task is asked for by its id for a day. All tasks are listed, too, so that a submit whose answer was lost can be found.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

from django.conf import settings

from providers.base import Billed, Fault, JobState, LostSubmit, ProviderError, RemoteFile, Report
from providers.http import (
    DOWN,
    INVALID,
    KEY,
    MONEY,
    REFUSED,
    THROTTLED,
    UNCLEAR,
    Account,
    Answer,
    Verdict,
    Wire,
    by_status,
    scrub,
)

TASKS = "/api/v1/tasks/"
LATER = {"X-DashScope-Async": "enable"}
TASK_ID = re.compile(r"[\w-]{1,100}")

CLOCKS = timedelta(minutes=10)  # how far the vendor's clock and ours may be apart
KEPT = timedelta(hours=23)  # how long the vendor remembers a task; a day at most lies between the ends of a question
ZONES = (timezone(timedelta(hours=8)), UTC)  # in which one the list reads times is documented nowhere: both are asked
STAMP = "%Y%m%d%H%M%S"
PAGE, MOST_PAGES = 100, 40

STATES = {"PENDING": JobState.QUEUED, "SUSPENDED": JobState.QUEUED, "RUNNING": JobState.RUNNING}
# By code, or by the beginning of one. Failures are not billed; after those in mid-work a task may still have begun.
CODES = {
    "InvalidParameter": INVALID,
    "InvalidURL": INVALID,
    "BadRequest": INVALID,
    "UnsupportedOperation": INVALID,
    "DataInspectionFailed": REFUSED,
    "IPInfringementSuspect": REFUSED,
    "Arrearage": MONEY,
    "InvalidApiKey": KEY,
    "AccessDenied": KEY,
    "Model.AccessDenied": KEY,
    "Workspace.AccessDenied": KEY,
    "ModelNotFound": KEY,
    "WorkSpaceNotFound": KEY,
    "AllocationQuota": MONEY,
    "Throttling": THROTTLED,
    "Throttling.AllocationQuota": MONEY,
    "LimitRequests": THROTTLED,
    "PrepaidBillOverdue": MONEY,
    "PostpaidBillOverdue": MONEY,
    "CommodityNotPurchased": MONEY,
    "InternalError": UNCLEAR,
    "SystemError": UNCLEAR,
    "ModelServiceFailed": UNCLEAR,
    "RequestTimeOut": UNCLEAR,
    "RewriteFailed": UNCLEAR,
    "ModelUnavailable": DOWN,
    "ModelServingError": DOWN,
}


class DashScope:
    """One model of DashScope's, and the account that pays for it."""

    name = "aliyun"
    resubmit_is_free = False

    def __init__(self, account: Account, *, model: str) -> None:
        self.product = model
        self.wire = Wire(account.url, headers={"Authorization": f"Bearer {account.secret}"}, law=law)

    def check(self) -> str:
        """Ask for one of the tasks of the last day."""
        answer = self.wire.ask("GET", TASKS, params={"page_no": 1, "page_size": 1})
        return f"{number(answer, 'total')} tasks in the last day; {self.product}"


class Tasks(DashScope):
    """What is done in the vendor's own time. Says nothing of its progress."""

    def ordered(self, path: str, body: dict[str, Any]) -> Report:
        """Hand an order over. Raises ProviderError."""
        answer = self.wire.pay(path, json=body, headers=LATER)
        return Report(state=JobState.QUEUED, ref=task_id_in(output_of(answer), answer))

    def poll(self, ref: str) -> Report:
        """How the task stands. Raises ProviderError."""
        return self.report(ref, self.answer_on(ref))

    def answer_on(self, ref: str) -> Answer:
        """What the vendor says of a task."""
        return self.wire.ask("GET", TASKS + quote(ref, safe=""))

    def report(self, ref: str, answer: Answer) -> Report:
        """The same in our words. Raises ProviderError."""
        output = output_of(answer)
        status = text(output, "task_status")
        if status in STATES:
            return Report(state=STATES[status], ref=ref)
        if status == "SUCCEEDED":
            return self.done(ref, output, answer)
        if status in ("FAILED", "CANCELED"):
            return failed(ref, output)
        if status == "UNKNOWN":
            error = ProviderError(
                Fault.JOB_LOST, permanent=True, billed=Billed.UNKNOWN, evidence="the task is unknown, or a day old"
            )
            return Report(state=JobState.FAILED, ref=ref, error=error)
        raise answer.nonsense()

    def done(self, ref: str, output: dict[str, Any], answer: Answer) -> Report:
        """A task that succeeded, with its files; one without any has failed. Raises ProviderError."""
        files = self.files_in(output)
        if files:
            return Report(state=JobState.DONE, ref=ref, files=files, units=1)
        refusals = [entry for entry in listed(output.get("results")) if text(entry, "code")]
        if refusals:
            return failed(ref, refusals[0])
        raise answer.nonsense()

    def files_in(self, output: dict[str, Any]) -> tuple[RemoteFile, ...]:
        """The results that a task names; each kind's own."""
        raise NotImplementedError

    def cancel(self, ref: str) -> None:
        """Stop a task that waits; one that runs, or is over, cannot be stopped. Raises ProviderError."""
        try:
            self.wire.ask("POST", f"{TASKS}{quote(ref, safe='')}/cancel")
        except ProviderError as error:
            if error.fault != Fault.INVALID_INPUT:
                raise

    # --- Lost submits -------------------------------------------------------------------------------------------------

    def find(self, lost: LostSubmit) -> Report | None:
        """The finished task with the words of the order, or None: no task can be it. Raises ProviderError while one
        may be: it is not over, or does not show its words."""
        unclear = 0
        for ref, status in self.candidates(lost):
            answer = self.answer_on(ref) if status == "SUCCEEDED" else None
            words = words_in(output_of(answer)) if answer else ""
            if answer and words and same(words, lost.prompt):
                return self.report(ref, answer)
            unclear += not words
        if unclear:
            raise cannot_tell(f"{unclear} tasks may be it")
        return None

    def candidates(self, lost: LostSubmit) -> list[tuple[str, str]]:
        """Id and status of the tasks that may be the lost one, the nearest in time first: two orders of the same words
        find two tasks. Raises ProviderError."""
        rows = self.tasks_since(lost.sent_at - CLOCKS)
        near = [ref for ref, row in rows.items() if ref not in lost.known and self.may_be(row, lost)]
        near.sort(key=lambda ref: abs(lateness(rows[ref], lost)))
        return [(ref, text(rows[ref], "status")) for ref in near]

    def may_be(self, row: dict[str, Any], lost: LostSubmit) -> bool:
        """Whether a listed task is of this model, which the list may know by a longer name, and of that time. One that
        failed is no loss: it was not billed."""
        is_of_model = self.product.casefold() in (text(row, "model_name") or self.product).casefold()
        longest = timedelta(seconds=settings.PROVIDER_SECONDS["pay"])
        is_in_time = -CLOCKS <= lateness(row, lost) <= longest + CLOCKS
        return is_of_model and is_in_time and text(row, "status") not in ("FAILED", "CANCELED")

    def tasks_since(self, since: datetime) -> dict[str, dict[str, Any]]:
        """All tasks of the account's, by id. Not asked for by model: a list that knows it by another name would be
        empty. Raises ProviderError."""
        until = datetime.now(UTC) + CLOCKS
        if until - since > KEPT:
            raise cannot_tell("the vendor has forgotten such old tasks")
        found: dict[str, dict[str, Any]] = {}
        for zone in ZONES:
            found |= self.tasks_between(f"{since.astimezone(zone):{STAMP}}", f"{until.astimezone(zone):{STAMP}}")
        return found

    def tasks_between(self, since: str, until: str) -> dict[str, dict[str, Any]]:
        """The list, page by page to its end. Raises ProviderError, also when it is too long or changes meanwhile."""
        found: dict[str, dict[str, Any]] = {}
        for page in range(1, MOST_PAGES + 1):
            asked = {"start_time": since, "end_time": until, "page_no": page, "page_size": PAGE}
            answer = self.wire.ask("GET", TASKS, params=asked)
            found |= {task_id_in(row, answer): row for row in listed(answer.object.get("data"))}
            if page >= number(answer, "total_page"):
                if len(found) == number(answer, "total"):
                    return found
                raise cannot_tell("the list is not whole")
        raise cannot_tell(f"more than {MOST_PAGES} pages of tasks")


# --- What comes back --------------------------------------------------------------------------------------------------


def law(answer: Answer) -> Verdict | None:
    """What an answer that is no success means. One of status 200 with a code is an error, too."""
    code = code_in(answer)
    if not code:
        return by_status(answer)
    return verdict_of(code) or by_status(answer) or UNCLEAR


def code_in(answer: Answer) -> str:
    """The code of an error; "" where there is none."""
    try:
        return text(answer.object, "code")
    except ProviderError:  # no JSON: the status says what it is
        return ""


def verdict_of(code: str) -> Verdict | None:
    """What a code means, by the longest beginning that is known; None where nothing of it is."""
    while code and code not in CODES:
        code = code.rpartition(".")[0]
    return CODES.get(code)


def failed(ref: str, said: dict[str, Any]) -> Report:
    """A task that came to nothing, which is not billed. Another try may do, unless the code says that it cannot."""
    code = text(said, "code") or text(said, "task_status")
    known = verdict_of(code)
    about = known if known and known.permanent else Verdict(fault=Fault.JOB_FAILED)
    error = ProviderError(about.fault, permanent=about.permanent, evidence=scrub(f"{code}: {text(said, 'message')}"))
    return Report(state=JobState.FAILED, ref=ref, error=error)


def cannot_tell(why: str) -> ProviderError:
    """Whether the vendor has a lost order is not known, or not yet."""
    return ProviderError(Fault.UNAVAILABLE, evidence=f"cannot tell: {why}")


def output_of(answer: Answer) -> dict[str, Any]:
    """The object in which the vendor answers. Raises ProviderError."""
    output = answer.object.get("output")
    if not isinstance(output, dict):
        raise answer.nonsense()
    return output


def task_id_in(said: dict[str, Any], answer: Answer) -> str:
    """The id of a task. Raises ProviderError."""
    ref = text(said, "task_id")
    if not TASK_ID.fullmatch(ref):
        raise answer.nonsense()
    return ref


def words_in(output: dict[str, Any]) -> str:
    """The words that a finished task was ordered with; "" where it does not show them."""
    return next((words for entry in listed(output.get("results")) if (words := text(entry, "orig_prompt"))), "")


def same(one: str, other: str) -> bool:
    """Whether two prompts have the same words, however the vendor keeps white space."""
    return "".join(one.split()) == "".join(other.split())


def lateness(row: dict[str, Any], lost: LostSubmit) -> timedelta:
    """How long after a submit a task was made; 0 where it does not say. Milliseconds since 1970 know no zone."""
    try:
        return datetime.fromtimestamp(row["gmt_create"] / 1000, UTC) - lost.sent_at
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return timedelta()


def number(answer: Answer, name: str) -> int:
    """A whole number in an answer. Raises ProviderError."""
    value = answer.object.get(name)
    if type(value) is not int:
        raise answer.nonsense()
    return value


def listed(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; none where it is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def member(said: dict[str, Any], name: str) -> dict[str, Any]:
    """A member that is an object; an empty one where it is not."""
    value = said.get(name)
    return value if isinstance(value, dict) else {}


def text(said: dict[str, Any], name: str) -> str:
    """A member that is text; "" where it is not."""
    value = said.get(name)
    return value if isinstance(value, str) else ""
