"""The cast: alice owns, bob is signed in, nobody is anonymous. Settings come from the environment that `make test` sets
(database, broker); files and mails go to a folder that is thrown away."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "LUMI_DATA_DIR" not in os.environ:
    os.environ["LUMI_DATA_DIR"] = tempfile.mkdtemp(prefix="lumi-test-")
    atexit.register(shutil.rmtree, os.environ["LUMI_DATA_DIR"], ignore_errors=True)

import pytest
from django.db import connections
from rest_framework.test import APIClient

import lumi.urls  # noqa: F401  serializers read some settings when they are defined: before any test changes them
from lumi.accounts import sessions
from lumi.accounts.models import User
from tests.factories import make_user

# What would say the same twice. Providers know no database and no broker, and their tests mostly wait: they are a pass
# of their own. Strangers' data, and the staff's browser, are for the production database; strangers' clients, and a
# bucket, meet no database.
ELSEWHERE = {
    "sqlite": ("providers", "fuzz", "browser"),
    "mariadb": ("providers", "clients", "s3", "attacks/test_strings.py"),
}


# Those that start whole installations, and wait for them: a part of each pass that runs beside the rest.
PROCESSES = ("chaos", "journeys", "browser", "clients", "fuzz")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave to the other passes of `make test` what is theirs; pytest by itself runs everything."""
    elsewhere = ELSEWHERE.get(os.environ.get("LUMI_TEST_PASS", ""), ())
    part = os.environ.get("LUMI_TEST_PART", "")
    theirs = [
        item for item in items if is_in(item, elsewhere) or (part and is_in(item, PROCESSES) != (part == "processes"))
    ]
    if theirs:
        config.hook.pytest_deselected(items=theirs)
        items[:] = [item for item in items if item not in set(theirs)]


def is_in(item: pytest.Item, names: tuple[str, ...]) -> bool:
    """Whether a test lies in one of these folders, or files."""
    return any(item.path.is_relative_to(Path(__file__).parent / name) for name in names)


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """SQLite as an installation has it: a file, with WAL and IMMEDIATE; in memory it would lock differently."""
    database = connections.databases["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database["TEST"]["NAME"] = str(Path(os.environ["LUMI_DATA_DIR"]) / f"test-{os.getpid()}.sqlite3")


@pytest.fixture
def alice(db: None) -> User:
    """Owns things."""
    return make_user("alice@example.com", name="Alice")


@pytest.fixture
def bob(db: None) -> User:
    """Is signed in."""
    return make_user("bob@example.com", name="Bob")


@pytest.fixture
def as_alice(alice: User) -> APIClient:
    """Alice's client, with a real token."""
    return client_of(alice)


@pytest.fixture
def as_bob(bob: User) -> APIClient:
    """Bob's client, with a real token."""
    return client_of(bob)


@pytest.fixture
def as_nobody() -> APIClient:
    """A client without a token, speaking English so that sentences can be read."""
    return APIClient(headers={"accept-language": "en"})


def client_of(user: User) -> APIClient:
    """A client in a session of the person's, speaking English."""
    token = sessions.pair_for(session=sessions.start(user=user)).token
    return APIClient(headers={"accept-language": "en", "authorization": token})


@pytest.fixture(autouse=True)
def media(settings: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Files of this test only."""
    settings.MEDIA_ROOT = tmp_path / "files"
    settings.EMAIL_FILE_PATH = str(tmp_path / "mail")
    settings.OFFLINE_DIR = tmp_path / "offline"
    settings.CLOCK_KEPT_SECONDS = 0  # counted statements must not depend on when the clock was read last
    settings.RATE_LIMITS = {}  # all tests come from one address; tests/lumi/test_limits.py sets its own
    return settings.MEDIA_ROOT
