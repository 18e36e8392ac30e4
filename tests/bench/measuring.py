"""Fill the database that DATABASE_URL names, unless it is filled, and open every page of the staff in it.

What needs MOST_QUERIES statements or MOST_MS milliseconds is marked; slow statements are shown with MariaDB's plan for
them. The exit code is how many pages break a promise.
"""

import argparse
import os
import platform
import sys
import time

import django

django.setup()

from django.core.management import call_command  # noqa: E402  after the set-up, as all that follow
from django.db import connection  # noqa: E402

from gallery.models import Model  # noqa: E402
from generation.models import ImageGenerationJob, JobEvent, ModelGenerationJob, ProviderCall  # noqa: E402
from tests.bench.looking import Look, explained, look_at  # noqa: E402
from tests.bench.pages import all_pages, staff_client  # noqa: E402

MOST_QUERIES, MOST_MS = 20, 300
SLOW_MS = 50  # a statement that is explained
COUNTED = (Model, ImageGenerationJob, ModelGenerationJob, ProviderCall, JobEvent)


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(prog="make bench-staff ARGS=...", description=__doc__)
    parser.add_argument("--models", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=400_000, help="image jobs")
    parser.add_argument("--times", type=int, default=5, help="each page is opened so often; the middle counts")
    parser.add_argument("--only", default="", help="pages whose name contains this")
    arguments = parser.parse_args()
    prepare(arguments.models, arguments.jobs)
    return measure(arguments.only, arguments.times)


def prepare(models: int, jobs: int) -> None:
    """Tables, rows, and the statistics by which MariaDB chooses its indexes."""
    call_command("migrate", verbosity=0)
    if not Model.objects.exists():
        began = time.monotonic()
        call_command("create_demo_data", models=models, jobs=jobs, pictures=0, seed=1)
        print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        cursor.execute(f"ANALYZE TABLE {', '.join(f'`{table}`' for table in tables)}")
        cursor.fetchall()


def measure(only: str, times: int) -> int:
    """Open everything, and say what was seen; how many pages break a promise."""
    client, looks = staff_client(raise_request_exception=False), []
    print(described(), flush=True)
    print(f"{'queries':>7} {'ms':>7} {'slowest':>8}  page", flush=True)
    for page in all_pages(client):
        if only in page.name:
            looks.append(look_at(client, page, times))
            show(looks[-1])
    bad = sum(bool(faults_of(look)) for look in looks)
    most_ms, most_queries = max(look.ms for look in looks), max(len(look.statements) for look in looks)
    print(f"{len(looks)} pages: at most {most_ms:.0f} ms and {most_queries} queries; {bad} break a promise")
    return min(bad, 100)


def described() -> str:
    """The machine, the versions, and how much there is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), @@innodb_buffer_pool_size DIV 1048576")
        version, megabytes = cursor.fetchone()
    rows = ", ".join(f"{table._default_manager.count()} {table._meta.db_table}" for table in COUNTED)
    return f"{os.cpu_count()} CPUs, Python {platform.python_version()}, {version}, buffer pool {megabytes} MB\n{rows}"


def faults_of(look: Look) -> list[str]:
    """What is worse than promised. What is only posted to answers 405, the view of a model that has no files 404."""
    slow = [f"{look.ms:.0f} ms"] if look.ms >= MOST_MS else []
    many = [f"{len(look.statements)} queries"] if len(look.statements) >= MOST_QUERIES else []
    code = [f"HTTP {look.code}"] if look.code >= 400 and look.code not in (404, 405) else []
    return slow + many + code


def show(look: Look) -> None:
    """A line a page, and what is slow about it."""
    faults = "".join(f"  <-- {fault}" for fault in faults_of(look))
    slowest = look.slowest.ms if look.slowest else 0.0
    print(f"{len(look.statements):>7} {look.ms:>7.0f} {slowest:>8.0f}  {look.page.name}{faults}", flush=True)
    for statement in look.statements:
        if statement.ms > SLOW_MS:
            print(f"{'':10}{statement.ms:.0f} ms: {statement.sql[:1500]} | {str(statement.params)[:200]}")
            print("".join(f"{'':12}{line}\n" for line in explained(statement)), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
