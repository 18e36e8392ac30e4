"""One clock: the database's. Workers on several machines compare deadlines and leases with it, never with their own."""

from datetime import UTC, datetime

from django.db import connection

NOW = {"sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')", "mysql": "SELECT UTC_TIMESTAMP(6)"}


def now() -> datetime:
    """The database's time, aware, UTC. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(NOW[connection.vendor])
        (value,) = cursor.fetchone()
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC)
