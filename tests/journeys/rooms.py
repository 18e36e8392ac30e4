"""What an installation has written down: every row of every table, and every line of every log."""

import sqlite3
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.journeys.stack import Stack

Rows = list[dict[str, Any]]


def tables_of(stack: Stack) -> dict[str, Rows]:
    """All rows of its database, by table."""
    connection, names = opened(stack.environment["DATABASE_URL"])
    try:
        cursor = connection.cursor()
        cursor.execute(names)
        tables = [row[0] for row in cursor.fetchall()]
        return {table: rows_of(cursor, table) for table in tables}
    finally:
        connection.close()


def rows_of(cursor: Any, table: str) -> Rows:
    """All rows of a table."""
    cursor.execute(f"SELECT * FROM {table}")
    columns = [column[0] for column in cursor.description]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def opened(url: str) -> tuple[Any, str]:
    """A connection, and the statement that names its tables."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return sqlite3.connect(parts.path), "SELECT name FROM sqlite_master WHERE type = 'table'"
    import MySQLdb  # noqa: PLC0415  not there where only SQLite is used

    connection = MySQLdb.connect(
        host=parts.hostname or "localhost",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/"),
        charset="utf8mb4",
        **{name: values[0] for name, values in parse_qs(parts.query).items()},
    )
    return connection, "SHOW TABLES"


def logs_of(stack: Stack) -> str:
    """All that its processes have said."""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace") for path in sorted(stack.folder.glob("*.log")))
