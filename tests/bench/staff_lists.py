"""How long staff wait: every page of the admin over 100 000 models and their jobs on MariaDB.

`python -m tests.bench.staff_lists --models 100000 --jobs 400000` fills a private MariaDB with `create_demo_data` and
opens every list with each of its filters, searches and orders, and every other page: see tests/bench/measuring.py. With
LUMI_TEST_DATABASE_URL naming a server, the database stays, and the next run measures it as it is.
"""

import os
import subprocess
import sys
import tempfile
from urllib.parse import parse_qs, unquote, urlsplit

import MySQLdb

from tests import services
from tests.run import ROOT


def main() -> int:
    """The measurement runs in a process of its own: Django is set up for one database only. Its exit code."""
    with services.servers() as addresses, tempfile.TemporaryDirectory(prefix="lumi-bench-") as folder:
        create_database(addresses["database"])
        environment = {
            "DATABASE_URL": addresses["database"],
            "REDIS_URL": addresses["redis"],
            "CELERY_BROKER_URL": addresses["redis"],
            "LUMI_DATA_DIR": folder,
            "LUMI_LOG_LEVEL": "ERROR",
            "LUMI_RATE_LIMITING": "false",  # all pages are opened from one address
            "DJANGO_SETTINGS_MODULE": "lumi.settings",
        }
        command = [sys.executable, "-m", "tests.bench.measuring", *sys.argv[1:]]
        return subprocess.run(command, cwd=ROOT, env=os.environ | environment, check=False).returncode


def create_database(url: str) -> None:
    """If it is not there."""
    parts = urlsplit(url)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    connection = MySQLdb.connect(
        host=parts.hostname or "localhost",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        **options,
    )
    connection.cursor().execute(f"CREATE DATABASE IF NOT EXISTS `{parts.path.strip('/')}` CHARACTER SET utf8mb4")
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
