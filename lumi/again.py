"""Deadlocks: the database ends one of two transactions that wait for each other, and means that it be begun again."""

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection

logger = logging.getLogger(__name__)

DEADLOCK = 1213  # MySQL's and MariaDB's number; SQLite has none
TRIES = 4
P = ParamSpec("P")
T = TypeVar("T")


def is_deadlock(error: OperationalError) -> bool:
    """Whether nothing is wrong but the moment."""
    return bool(error.args) and error.args[0] == DEADLOCK


def again_after_deadlock(verb: Callable[P, T]) -> Callable[P, T]:
    """Begin a verb again that is one transaction. Inside of a larger one, that is its caller's affair."""

    @wraps(verb)
    def patient(*args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, TRIES):
            try:
                return verb(*args, **kwargs)
            except OperationalError as error:
                if not is_deadlock(error) or connection.in_atomic_block:
                    raise
                logger.info("deadlock: once more", extra={"verb": verb.__name__})
                time.sleep(0.02 * attempt)
        return verb(*args, **kwargs)

    return patient
