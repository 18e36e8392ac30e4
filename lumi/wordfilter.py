"""Words that are not welcome, refused before anything is paid or written; and the seam for a judge that reads prompts.

Rules are rows (`FilterRule`), kept compiled in each process's memory. Whether they are still the newest ones is asked
of the database at each check, so that a rule counts everywhere at once, whoever wrote it.
"""

import logging
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial, wraps
from queue import Empty, SimpleQueue
from threading import BoundedSemaphore, Thread
from typing import Any, ParamSpec, Protocol, TypeVar

import re2
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import CharField, Count, F, IntegerField, Max, Sum
from django.db.models.functions import Cast, Substr
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from lumi.errors import Invalid
from lumi.models import FilterRule

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")
Match, Scope = FilterRule.Match, FilterRule.Scope


class Unwelcome(Invalid):
    """A rule was met. Which one is not said: whoever knows the rule writes around it."""

    message = _("Some of these words are not welcome here. Please choose other words and try again.")


# --- One spelling -----------------------------------------------------------------------------------------------------

# What has no width and is not among Unicode's Cf: a joiner, fillers of Hangul, variation selectors.
WIDTHLESS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
# Scripts without spaces between words: Thai to Myanmar, Khmer, Hangul (whose particles cling to the word), kana, Han.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u318f\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff]"
)


def plainly(text: str) -> str:
    """The text as rules are compared with it: NFKC, case folded, without what cannot be seen, one space for many."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    seen = "".join(sign for sign in folded if unicodedata.category(sign) not in ("Cf", "Cs"))
    return " ".join(WIDTHLESS.sub("", seen).split())


def is_joined(before: str, after: str) -> bool:
    """Whether two neighbours (each one character, or "") are in one word."""
    return is_in_word(before) and is_in_word(after)


def is_in_word(sign: str) -> bool:
    """A letter, mark or digit of a script that puts spaces between words."""
    return sign != "" and unicodedata.category(sign)[0] in "LMN" and not UNSPACED.match(sign)


def has_word(text: str, word: str) -> bool:
    """Whether the text has the word, and not only as a part of another one. Both are in the one spelling."""
    start = text.find(word)
    while start >= 0:
        end = start + len(word)
        if not is_joined(text[start - 1 : start], text[start]) and not is_joined(text[end - 1], text[end : end + 1]):
            return True
        start = text.find(word, start + 1)
    return False


# --- Rules ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """A row, ready to be used."""

    id: str
    scope: str
    sentence: str
    meets: Callable[[str], bool]

    @classmethod
    def of(cls, row: FilterRule) -> "Rule":
        """Raises re2.error."""
        meets = meets_pattern(row.text) if row.match == Match.PATTERN else partial(meets_word, plainly(row.text))
        return cls(row.pk, row.scope, row.sentence, meets)


def meets_word(word: str, text: str) -> bool:
    """A rule of no visible sign, which only a script can write, meets nothing."""
    return word != "" and has_word(text, word)


def meets_pattern(pattern: str) -> Callable[[str], bool]:
    """A compiled pattern. RE2 takes time in proportion to the text, whatever the pattern. Raises re2.error."""
    search = re2.compile(pattern, options()).search
    return lambda text: search(text) is not None


@cache
def options() -> Any:
    """How patterns are read."""
    found = re2.Options()
    found.case_sensitive, found.log_errors = False, False
    return found


UNREADABLE = _("RE2 cannot read this regular expression: %(reason)s. It knows no look-around and no references.")


def check_rule(text: str, match: str) -> None:
    """What the admin's form asks of a rule. Raises ValidationError."""
    if match != Match.PATTERN:
        if not plainly(text):
            raise ValidationError(_("There is nothing in this that could be seen."))
        return
    try:
        meets_nothing_written = meets_pattern(text)("")
    except re2.error as error:
        reason = error.args[0].decode(errors="replace")
        raise ValidationError(UNREADABLE, params={"reason": reason}) from error
    if meets_nothing_written:
        raise ValidationError(_("This would refuse every text, an empty one too."))


MICROSECONDS = Cast(Substr(Cast("updated_at", CharField()), 21), IntegerField())


def rules() -> tuple[Rule, ...]:
    """The active rules, compiled, the oldest first. One statement while they stay the same.

    The newest time alone would not tell of a change whose clock was behind, or that was committed late.
    """
    facts = FilterRule.objects.aggregate(count=Count("pk"), newest=Max("updated_at"), sum=Sum(MICROSECONDS))
    return rules_at(tuple(facts.values())) if facts["count"] else ()


@lru_cache(maxsize=1)
def rules_at(stamp: tuple[Any, ...]) -> tuple[Rule, ...]:
    """As they are when first asked for with this stamp."""
    return tuple(filter(None, map(compiled, FilterRule.objects.filter(is_active=True).order_by("pk"))))


def compiled(row: FilterRule) -> Rule | None:
    """None, and a line in the log, for a pattern that no form has seen: one bad row does not stop the others."""
    try:
        return Rule.of(row)
    except re2.error:
        logger.error("no regular expression: the rule is passed over", extra={"rule": row.pk})
        return None


# --- The check --------------------------------------------------------------------------------------------------------


def check(text: str, scope: FilterRule.Scope, *, field: str = "") -> None:
    """Raises Unwelcome where an active rule of this scope meets the text; `field`: its name in the input, for clients.

    The hit is counted after the caller's transaction, so that nobody waits for the row of a rule that many meet.
    """
    met = first_met(text, scope) if text else None
    if met:
        transaction.on_commit(partial(count_hit, met.id), robust=True)
        sentence = met.sentence or Unwelcome.message
        raise Unwelcome(sentence, details={field: [sentence]} if field else None)


def first_met(text: str, scope: FilterRule.Scope) -> Rule | None:
    """The oldest rule that the text meets."""
    plain = plainly(text)
    return next((rule for rule in rules() if rule.scope in (Scope.ALL, scope) and rule.meets(plain)), None)


def count_hit(rule_id: str) -> None:
    """One more."""
    FilterRule.objects.filter(pk=rule_id).update(hits=F("hits") + 1)


def only_welcome(scope: FilterRule.Scope, *names: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """A verb that is begun only when what it is given under these names is welcome. Put it above the transaction, so
    that a hit is counted although nothing else is written."""

    def checked(verb: Callable[P, T]) -> Callable[P, T]:
        @wraps(verb)
        def begin(*args: P.args, **kwargs: P.kwargs) -> T:
            for name in names:
                check(str(kwargs.get(name) or ""), scope, field=name)
            return verb(*args, **kwargs)

        return begin

    return checked


# --- The judge --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What a judge says; `evidence` is for staff, nobody else reads it."""

    allowed: bool
    evidence: str = ""


class Judge(Protocol):
    """An LLM, or whatever else reads a prompt before anything is paid: `settings.TEXT_JUDGE` names one. It is called in
    a worker, in a thread of its own, perhaps more than once for a prompt, and has JUDGE_SECONDS to answer."""

    def __call__(self, text: str) -> Verdict:
        """May raise: then the prompt is allowed, as without a judge."""
        ...


ALLOWED = Verdict(allowed=True)
JUDGE_SECONDS = 20.0
MOST_AT_WORK = 16  # judges in this process; when all of them hang, none is asked any more
PLACES = BoundedSemaphore(MOST_AT_WORK)


def judged(text: str) -> Verdict:
    """What the judge says. Without one, and where it fails or takes too long, all is allowed: a judge that is away does
    not stop the house. What went wrong is in the log, without the text."""
    if not settings.TEXT_JUDGE:
        return ALLOWED
    try:
        return in_time(import_string(settings.TEXT_JUDGE), text)
    except Exception as error:  # noqa: BLE001  the judge is not ours: whatever it was
        logger.error("the text judge failed: allowed", extra={"reason": type(error).__name__})
        return ALLOWED


def in_time(judge: Judge, text: str) -> Verdict:
    """The verdict. Raises what the judge raises, and Empty when it takes too long or when too many hang already."""
    if not PLACES.acquire(blocking=False):
        raise Empty
    answers: SimpleQueue[Verdict | Exception] = SimpleQueue()
    Thread(target=answer_into, args=(answers, judge, text), daemon=True).start()
    answer = answers.get(timeout=JUDGE_SECONDS)
    if isinstance(answer, Exception):
        raise answer
    return answer


def answer_into(answers: "SimpleQueue[Verdict | Exception]", judge: Judge, text: str) -> None:
    """The thread in which the judge works."""
    try:
        answers.put(judge(text))
    except Exception as error:  # noqa: BLE001  the thread that waits must learn of it
        answers.put(error)
    finally:
        PLACES.release()
