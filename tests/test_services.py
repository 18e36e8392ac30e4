"""The suite runs on what it says it runs on. `make test` sets LUMI_TEST_PASS; a pass on the wrong server fails here."""

import os

import pytest
import redis
from django.conf import settings
from django.db import connection


@pytest.mark.django_db
def test_the_database_is_the_one_of_this_pass() -> None:
    vendors = {"sqlite": "sqlite", "mariadb": "mysql"}
    wanted = vendors.get(os.environ.get("LUMI_TEST_PASS", ""), connection.vendor)
    assert connection.vendor == wanted
    assert settings.EMBEDDED_WORKER is (wanted == "sqlite")


@pytest.mark.django_db
def test_mysql_is_real() -> None:
    if connection.vendor != "mysql":
        assert os.environ.get("LUMI_TEST_PASS") != "mariadb"
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT VERSION(), @@session.time_zone, @@session.tx_isolation, @@session.sql_mode")
        version, time_zone, isolation, mode = cursor.fetchone()
    print(f"database server: {version}")
    assert "MariaDB" in version or version.startswith("8.")
    assert time_zone == "+00:00"
    assert isolation == "READ-COMMITTED"
    assert "STRICT_TRANS_TABLES" in mode


def test_redis_is_real() -> None:
    if settings.EMBEDDED_WORKER:
        assert os.environ.get("LUMI_TEST_PASS") != "mariadb"
        return
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as client:
        version = client.info("server")["redis_version"]
    print(f"redis server: {version}")
    assert int(version.split(".")[0]) >= 6


@pytest.mark.django_db(transaction=True)
def test_sqlite_is_wal_and_immediate(tmp_path: pytest.TempPathFactory) -> None:
    if connection.vendor != "sqlite":
        assert os.environ.get("LUMI_TEST_PASS") != "sqlite"
        return
    options = settings.DATABASES["default"]["OPTIONS"]
    assert options["transaction_mode"] == "IMMEDIATE"
    copy = connection.copy("file_on_disk")
    copy.settings_dict["NAME"] = str(tmp_path / "lumi.sqlite3")
    begun = []
    try:
        with copy.cursor() as cursor:
            assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        copy.connection.set_trace_callback(begun.append)
        copy.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
        copy.rollback()
    finally:
        copy.close()
    assert begun[0] == "BEGIN IMMEDIATE"
