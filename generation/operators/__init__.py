"""What operators ask of jobs and queues. The rules are here; `manage.py jobs` and the admin ask, confirm and show.

Who is acting is `lumi.process.acting_as`: it is written into the history of each job, beside each pause, and into the
audit trail.
"""

from generation.operators.adoption import adopt, may_be_adopted
from generation.operators.facts import (
    IN_HANDS,
    PROVIDERS_OF,
    QUEUES,
    brief,
    briefs,
    calls_for,
    calls_of,
    full,
    queues,
)
from generation.operators.finding import Wanted, failed_ones, find, named, request_of, span
from generation.operators.money import COSTS, costs
from generation.operators.verbs import (
    NewOrder,
    cancel,
    fail,
    may_be_paid_twice,
    new_orders,
    pause,
    requeue,
    resume,
    retry,
    sweep,
    to_retry,
)
from lumi.chores import Refused

__all__ = [
    "COSTS",
    "IN_HANDS",
    "PROVIDERS_OF",
    "QUEUES",
    "NewOrder",
    "Refused",
    "Wanted",
    "adopt",
    "brief",
    "briefs",
    "calls_for",
    "calls_of",
    "cancel",
    "costs",
    "fail",
    "failed_ones",
    "find",
    "full",
    "may_be_adopted",
    "may_be_paid_twice",
    "named",
    "new_orders",
    "pause",
    "queues",
    "request_of",
    "requeue",
    "resume",
    "retry",
    "span",
    "sweep",
    "to_retry",
]
