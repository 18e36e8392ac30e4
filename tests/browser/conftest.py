"""One installation for the browser tests, with things to look at: made by people over HTTP."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.staff import Desk, chromium, make_staff
from tests.fuzz.apart import stack_apart
from tests.journeys.people import Person, sign_up
from tests.journeys.stack import Stack

SETTINGS = {"DJANGO_SETTINGS_MODULE": "tests.browser.settings", "LUMI_ADMIN_TOTP": "false"}
STAFF = {
    "moderator@example.com": "moderator",
    "operator@example.com": "operator",
    "administrator@example.com": "administrator",
}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The processes, with a painter that can be told to refuse."""
    with stack_apart(tmp_path_factory.mktemp("browser"), name="browser", redis=8, **SETTINGS) as here:
        make_staff(here, STAFF)
        yield here


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """For this module only: Playwright's loop must not be there when other tests use the database."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def maker(stack: Stack) -> Person:
    """Makes things."""
    return sign_up(stack)


@pytest.fixture(scope="module")
def visitor(stack: Stack) -> Person:
    """Looks at what others made."""
    return sign_up(stack)


@pytest.fixture(scope="module")
def finished(maker: Person) -> tuple[str, str]:
    """A request with its model, shown to everybody: their ids."""
    request_id = maker.ask_for("a small cat")
    maker.wait_for(request_id, "IMAGE_COMPLETED")
    model_id = maker.choose(request_id)
    maker.wait_for(request_id, "COMPLETED")
    maker.post(f"/api/models/{model_id}/publish")
    return request_id, model_id


@pytest.fixture(scope="module")
def moody(stack: Stack) -> Path:
    """While this file is there the painter refuses."""
    return stack.folder / "data" / "moody"


@pytest.fixture
def desk(browser: Browser, stack: Stack) -> Iterator[Desk]:
    """Someone's desk; at the end nothing must have been complained of."""
    here = Desk(browser, stack)
    yield here
    here.context.close()
    assert here.complaints == []
