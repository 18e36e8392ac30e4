"""What can be attacked: one of everything of Alice's, and bodies that every operation would take from her."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rest_framework.test import APIClient

from gallery import moderation
from lumi.accounts import sessions, tokens
from lumi.accounts.models import User
from tests.accounts.desk import code_in_last_mail, let_pass
from tests.attacks.callers import Caller, registered
from tests.attacks.contract import Operation, file
from tests.conftest import client_of
from tests.factories import make_model, make_request, make_user
from tests.fuzz.apart import stack_apart
from tests.fuzz.things import STL, picture
from tests.journeys.stack import Stack

SERVED = {"LUMI_TRUSTED_PROXIES": "1", "LUMI_CODE_INTERVAL_SECONDS": "60"}


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Real processes, behind a proxy that says who calls. Whatever happens to them, none of it is a mistake of ours."""
    with stack_apart(tmp_path_factory.mktemp("attacks"), name="attacks", redis=6, **SERVED) as stack:
        yield stack
        for name in stack.commands:
            assert "unhandled error" not in stack.log(name).read_text()


@pytest.fixture
def person(stack: Stack) -> Caller:
    """Somebody with an account there."""
    return registered(stack)


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """Every attack has one."""


@pytest.fixture
def ids(alice: User) -> dict[str, str]:
    """What each name in a path may stand for: a thing that only Alice may see."""
    return {
        "request_id": make_request(alice, status="IMAGE_COMPLETED").id,
        "model_id": make_model(alice).id,
        "session_id": sessions.start(user=alice).id,
        "token_id": tokens.create(user=alice, name="script", scopes=["read"], days=1)[0].id,
    }


@pytest.fixture
def good(ids: dict[str, str], alice: User) -> Callable[[Operation], dict[str, Any]]:
    """A body that Alice's call of this operation succeeds with."""

    def body(operation: Operation) -> dict[str, Any]:
        made = BODIES.get(operation.name, lambda alice, ids: dict(operation.example))
        return made(alice, ids)

    return body


def mailed(purpose: str, email: str) -> dict[str, Any]:
    """An address and the code that it got."""
    let_pass(61)
    answer = APIClient().post("/api/auth/send-code", {"email": email, "type": purpose})
    assert answer.status_code == 200
    return {"email": email, "code": code_in_last_mail()}


def new_address(person: User) -> dict[str, Any]:
    """The address that the person's account shall have, and the code that it got."""
    email = "elsewhere@example.com"
    assert client_of(person).post("/api/auth/me/email", {"email": email}).status_code == 200
    return {"email": email, "code": code_in_last_mail()}


def code_to_leave(person: User) -> dict[str, Any]:
    """What deletes the account."""
    assert client_of(person).post("/api/auth/me/delete-code").status_code == 200
    return {"code": code_in_last_mail(), "publicModels": "keep"}


def refresh_token(person: User) -> dict[str, Any]:
    """Of a new session."""
    return {"refreshToken": sessions.pair_for(session=sessions.start(user=person)).refresh_token}


def somebody_elses(ids: dict[str, str]) -> dict[str, Any]:
    """A report of a model that everybody may see."""
    ids["model_id"] = make_model(make_user(), public=True).pk
    return {"reason": "OTHER"}


def hidden_one(alice: User, ids: dict[str, str]) -> dict[str, Any]:
    """An appeal against what staff have just decided."""
    ids["model_id"] = make_model(alice, public=True).pk
    moderation.hide(model_id=ids["model_id"], reason="It looks like a weapon.")
    return {"text": "It is a spoon."}


# By operation, where the document's example would not do.
BODIES: dict[str, Callable[[User, dict[str, str]], dict[str, Any]]] = {
    "reportModel": lambda alice, ids: somebody_elses(ids),
    "appealModel": hidden_one,
    "login": lambda alice, ids: mailed("LOGIN", alice.email),
    "register": lambda alice, ids: mailed("REGISTER", "newcomer@example.com"),
    "refreshToken": lambda alice, ids: refresh_token(alice),
    "logout": lambda alice, ids: refresh_token(alice),
    "confirmEmail": lambda alice, ids: new_address(alice),
    "deleteMe": lambda alice, ids: code_to_leave(alice),
    "createModel": lambda alice, ids: {"requestId": ids["request_id"], "imageIndex": 0},
    "uploadModel": lambda alice, ids: {"file": file(STL, "cat.stl"), "name": "cat"},
    "uploadRequest": lambda alice, ids: {"file": file(picture(), "cat.png"), "prompt": "cat"},
    "setAvatar": lambda alice, ids: {"file": file(picture(), "me.png")},
}
