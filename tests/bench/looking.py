"""Open a page, and see what it asks of the database."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from django.db import connection
from django.test import Client

from tests.bench.pages import Page

COUNT = re.compile(r"^SELECT COUNT\([^()]*\) AS [`\"]\w+[`\"] FROM [`\"](\w+)[`\"]")
DISTINCT = re.compile(r"\bSELECT DISTINCT\b|\bCOUNT\(DISTINCT\b", re.IGNORECASE)


@dataclass
class Statement:
    """One statement, and how long it took (milliseconds)."""

    sql: str
    params: Any
    ms: float = 0.0

    @property
    def counts_whole(self) -> str:
        """The table that it counts from end to end; "" if it does not."""
        found = COUNT.match(self.sql)
        return found[1] if found and " WHERE " not in self.sql else ""

    @property
    def is_distinct(self) -> bool:
        """Whether it reads a whole table to find which values there are."""
        return bool(DISTINCT.search(self.sql)) and " WHERE " not in self.sql


@dataclass
class Look:
    """What was seen of a page: the code of the answer, milliseconds of each time, statements of the last time."""

    page: Page
    code: int = 0
    times: list[float] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)

    @property
    def ms(self) -> float:
        """In the middle."""
        return median(self.times)

    @property
    def slowest(self) -> Statement | None:
        """The statement that took longest."""
        return max(self.statements, key=lambda statement: statement.ms, default=None)


def look_at(client: Client, page: Page, times: int = 1) -> Look:
    """Open it so many times."""
    look = Look(page)
    for _ in range(times):
        with recorded() as look.statements:
            began = time.perf_counter()
            look.code = client.get(page.address).status_code
            look.times.append((time.perf_counter() - began) * 1000)
    return look


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """What is asked of the database meanwhile."""
    seen: list[Statement] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statement = Statement(sql, params)
        seen.append(statement)
        began = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            statement.ms = (time.perf_counter() - began) * 1000

    with connection.execute_wrapper(record):
        yield seen


def explained(statement: Statement) -> list[str]:
    """How MariaDB goes about it: a line a table, with the rows that it expects to read."""
    if not statement.sql.lstrip().upper().startswith("SELECT"):
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement.sql}", statement.params)
        names = [column[0] for column in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [f"{row['table']} {row['type']} key={row['key']} rows={row['rows']} {row['Extra'] or ''}" for row in rows]
