"""What is there before strangers' data come: two people, their things in several states, and codes that are right."""

import subprocess
import sys
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import requests

from tests.fuzz.things import STL, picture
from tests.journeys.people import Person, mailed_code
from tests.journeys.stack import ROOT, Stack

numbers = count(1)


@dataclass(frozen=True)
class World:
    """Tokens by whose they are; and words that are worth trying, by the name of their list."""

    tokens: dict[str, str]
    words: dict[str, list[str]]


class Resident(Person):
    """Somebody with an account."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.email = new_address()
        self.headers["Authorization"] = register(stack, self.email)["token"]


def furnished(stack: Stack) -> World:
    """Made over HTTP and by the real worker. Other people at each call."""
    maker, stranger = Resident(stack), Resident(stack)
    words = {
        "models": [*models_of(maker), *models_of(stranger)],
        "hidden": hidden_models(maker),
        "requests": [finished_request(maker), request_with_a_picture(maker)],
        "unfinished": [request_with_a_picture(maker) for _ in range(3)],
        "ready": [request_with_a_picture(maker)],
        "tokens": [api_token(maker) for _ in range(3)],
        **sessions_of(maker),
        **new_address_of(maker),
        **ways_in(stack),
    }
    leaver = Resident(stack)
    words["leaver-codes"] = [delete_code_of(leaver)]
    people = {"maker": maker, "stranger": stranger, "leaver": leaver}
    return World(tokens={name: person.headers["Authorization"] for name, person in people.items()}, words=words)


def left_for_nobody(stack: Stack, world: World) -> World:
    """What anybody may see, and codes and tokens that have not been used."""
    person = Resident(stack)
    _, public = models_of(person)
    return replace(world, words={**world.words, "models": [public], **sessions_of(person), **ways_in(stack)})


# --- Ways in ----------------------------------------------------------------------------------------------------------


def new_address() -> str:
    """Nobody has it."""
    return f"resident{next(numbers)}@example.com"


def code_for(stack: Stack, email: str, purpose: str) -> str:
    """A code from a real mail."""
    Person(stack).post("/api/auth/send-code", {"email": email, "type": purpose})
    return mailed_code(stack, email)


def register(stack: Stack, email: str) -> Any:
    """A new account; its tokens."""
    account = {"email": email, "code": code_for(stack, email, "REGISTER")}
    return Person(stack).post("/api/auth/register", account, expect=201)


def log_in(stack: Stack, email: str) -> Any:
    """Tokens of another session."""
    return Person(stack).post("/api/auth/login", {"email": email, "code": code_for(stack, email, "LOGIN")})


def ways_in(stack: Stack) -> dict[str, list[str]]:
    """Addresses and the codes that were mailed to them: each works once."""
    newcomer, regular = new_address(), Resident(stack).email
    return {
        "newcomers": [newcomer],
        "newcomer-codes": [code_for(stack, newcomer, "REGISTER")],
        "regulars": [regular],
        "regular-codes": [code_for(stack, regular, "LOGIN")],
    }


def new_address_of(person: Resident) -> dict[str, list[str]]:
    """The address that a person's account shall have, and the code that was mailed to it."""
    email = new_address()
    person.post("/api/auth/me/email", {"email": email})
    return {"elsewhere": [email], "elsewhere-codes": [mailed_code(person.stack, email)]}


def delete_code_of(person: Resident) -> str:
    """The code that deletes their account."""
    person.post("/api/auth/me/delete-code")
    return mailed_code(person.stack, person.email)


def sessions_of(person: Resident) -> dict[str, list[str]]:
    """A person's other sessions: their ids, to be ended; or their refresh tokens, to be used, or given back."""
    pairs = [log_in(person.stack, person.email) for _ in range(9)]
    latest_first = [row["id"] for row in person.get("/api/auth/sessions") if not row["isCurrent"]]
    tokens = [pair["refreshToken"] for pair in pairs]
    return {"sessions": latest_first[:3], "refresh-tokens": tokens[:3], "logout-tokens": tokens[3:6]}


def api_token(person: Resident) -> str:
    """The id of a token for a script."""
    wanted = {"name": "script", "scopes": ["read"], "expiresInDays": 1}
    return str(person.post("/api/auth/tokens", wanted, expect=201)["id"])


# --- Things -----------------------------------------------------------------------------------------------------------


def finished_request(person: Resident) -> str:
    """Four pictures and a model."""
    request_id = person.ask_for("a small cat")
    person.wait_for(request_id, "IMAGE_COMPLETED")
    person.choose(request_id)
    person.wait_for(request_id, "COMPLETED")
    return request_id


def request_with_a_picture(person: Resident) -> str:
    """One that waits for its owner's choice."""
    return str(upload(person, "/api/requests/upload", "cat.png", picture())["id"])


def models_of(person: Resident) -> list[str]:
    """A private one and a public one."""
    private, public = (upload(person, "/api/models/upload", "box.stl", STL)["id"] for _ in range(2))
    person.post(f"/api/models/{public}/publish")
    return [private, public]


def hidden_models(person: Resident) -> list[str]:
    """Public ones that staff have hidden."""
    ids = [models_of(person)[1] for _ in range(3)]
    command = [sys.executable, "manage.py", "moderate", "hide", *ids, "--reason", "It looks like a weapon."]
    subprocess.run(command, cwd=ROOT, env=person.stack.environment, check=True, stdin=subprocess.DEVNULL)
    return ids


def upload(person: Resident, path: str, name: str, content: bytes) -> Any:
    """What was made of a file."""
    files = {"file": (name, content)}
    answer = requests.post(f"{person.stack.url}{path}", files=files, headers=person.headers, timeout=60)
    assert answer.status_code == 201, answer.text
    data = answer.json()["data"]
    return data.get("request", data)
