"""One clock: the database's. Workers on several machines compare deadlines and leases with it, never with their own.

It is read once in a while, and in between carried on by this machine's own: a third of all statements were this
question. What is told is earlier than the database's time by no more than the question took.
"""

import time
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection

NOW = {"sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')", "mysql": "SELECT UTC_TIMESTAMP(6)"}
BACKWARDS = timedelta(milliseconds=50)  # a slower answer is no reason to go back; a clock that was set is one
OURS = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # the first goes on while a machine sleeps; Linux has it


class Reading:
    """The database's time, and this machine's when it was read."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment
        self.read_at = time.clock_gettime(OURS)

    def age(self) -> float:
        """Seconds since."""
        return time.clock_gettime(OURS) - self.read_at

    def carried_on(self) -> datetime:
        """The time now."""
        return self.moment + timedelta(seconds=self.age())


last: Reading | None = None


def now() -> datetime:
    """The database's time, aware, UTC. One statement, once in CLOCK_KEPT_SECONDS."""
    global last  # noqa: PLW0603  one assignment of one reference: threads may both read, and do no harm
    kept = last
    if kept is not None and kept.age() < settings.CLOCK_KEPT_SECONDS:
        return kept.carried_on()
    fresh = Reading(read())
    if kept is not None and timedelta() < kept.carried_on() - fresh.carried_on() < BACKWARDS:
        fresh.moment = kept.carried_on() - timedelta(seconds=fresh.age())
    last = fresh
    return fresh.carried_on()


def read() -> datetime:
    """Ask the database."""
    with connection.cursor() as cursor:
        cursor.execute(NOW[connection.vendor])
        (value,) = cursor.fetchone()
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC)
