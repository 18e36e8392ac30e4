"""The database: what it is, how it is set up, whether it has our tables, what its clock says."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from lumi import clock
from lumi.doctor.findings import Finding, doubtful, fine, wrong
from lumi.models import DoomedFile

OLDEST = {"MariaDB": (10, 11), "MySQL": (8, 0)}
VARIABLES = (
    "character_set_database", "time_zone", "tx_isolation", "transaction_isolation", "max_connections",
)  # fmt: skip
ODD_TABLES = """
SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'
AND (table_collation NOT LIKE 'utf8mb4%%' OR engine != 'InnoDB') ORDER BY table_name
"""
SPARE_CONNECTIONS = 10  # for commands, and people who look
SKEW, MOST_SKEW = timedelta(seconds=1), timedelta(seconds=5)  # tokens bear five seconds
OVERDUE = timedelta(minutes=10)
MOST = 1000  # of what is counted


def version() -> Finding:
    """Which one it is, and that it answers."""
    found = connection.get_database_version()
    number = ".".join(map(str, found))
    if connection.vendor == "sqlite":
        return fine(f"SQLite {number}, {settings.DATABASES['default']['NAME']}")
    kind = "MariaDB" if connection.mysql_is_mariadb else "MySQL"  # type: ignore[attr-defined]
    if found[:2] < OLDEST[kind]:
        return wrong(f"{kind} {number}", f"Use {kind} {'.'.join(map(str, OLDEST[kind]))} or newer.")
    return fine(f"{kind} {number}")


def setup() -> Iterator[Finding]:
    """How a connection of ours finds it."""
    if connection.vendor == "sqlite":
        yield journal()
        return
    found = variables()
    yield expected(
        "Character set", found["character_set_database"], "utf8mb4", "ALTER DATABASE … CHARACTER SET utf8mb4."
    )
    isolation = found.get("transaction_isolation") or found.get("tx_isolation", "")
    yield expected("Isolation level", isolation, "READ-COMMITTED", "Let nobody set another one than settings.py does.")
    yield expected("Time zone", found["time_zone"], "+00:00", "Let nobody set another one than settings.py does.")
    yield odd_tables()
    yield connections_left(int(found["max_connections"]))


def journal() -> Finding:
    """Without WAL readers and writers keep each other waiting."""
    (mode,) = one_row("PRAGMA journal_mode")
    return expected("Journal mode", mode, "wal", "Put the data folder on a local disk: others have no WAL.")


def variables() -> dict[str, str]:
    """Of this session."""
    places = ", ".join(["%s"] * len(VARIABLES))
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({places})", VARIABLES)
        return dict(cursor.fetchall())


def expected(what: str, found: str, wanted: str, mend: str) -> Finding:
    """One setting."""
    return fine(f"{what} {found}") if found == wanted else wrong(f"{what} is {found}, not {wanted}.", mend)


def odd_tables() -> Finding:
    """Tables that came from elsewhere."""
    with connection.cursor() as cursor:
        cursor.execute(ODD_TABLES)
        names = [name for (name,) in cursor.fetchall()]
    if names:
        mend = "ALTER TABLE … ENGINE=InnoDB, CONVERT TO CHARACTER SET utf8mb4."
        return wrong(f"Not InnoDB, or not utf8mb4: {', '.join(names[:5])}.", mend)
    return fine("All tables are InnoDB and utf8mb4.")


def connections_left(most: int) -> Finding:
    """Each thread has a connection."""
    used = int(one_row("SHOW STATUS LIKE 'Threads_connected'")[1])
    needed = settings.WEB_THREADS + settings.WORKER_THREADS + settings.GENERATION["poll_threads"] + SPARE_CONNECTIONS
    says = f"{used} of {most} connections are used; a web process and a worker may take {needed}."
    if most - used < needed:
        return doubtful(says, "Raise max_connections, or lower LUMI_DB_CONN_MAX_AGE and the numbers of threads.")
    return fine(says)


def one_row(statement: str) -> tuple[str, ...]:
    """The first row of an answer."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return tuple(cursor.fetchone())


def migrations() -> Finding:
    """Whether it has our tables as this version wants them."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        names = ", ".join(f"{one.app_label}.{one.name}" for one, _ in plan[:3])
        return wrong(f"{len(plan)} migrations are not applied: {names}.", "Run `manage.py migrate`.")
    return fine("All migrations are applied.")


def time() -> Finding:
    """Whether this machine's clock agrees."""
    apart = abs(datetime.now(UTC) - clock.read())
    says = f"This machine's clock and the database's are {apart.total_seconds():.1f} s apart."
    if apart > SKEW:
        judge = wrong if apart > MOST_SKEW else doubtful
        return judge(says, "Let both follow the same time server (chrony, systemd-timesyncd).")
    return fine(says)


def doomed() -> Finding:
    """Files that should be deleted by now."""
    late = DoomedFile.objects.filter(after__lt=clock.now() - OVERDUE)[:MOST].count()
    if late:
        number = f"{MOST} or more" if late == MOST else str(late)
        return doubtful(
            f"{number} files should have been deleted.",
            "Does the sweep run, may the storage's key delete? See the log.",
        )
    waiting = DoomedFile.objects.all()[:MOST].count()
    return fine(f"{waiting}{' or more' if waiting == MOST else ''} files wait for their deletion, none is late.")
