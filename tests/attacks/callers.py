"""Who calls real processes, from wherever a proxy says that they are."""

from itertools import count

from tests.fuzz.world import new_address
from tests.journeys.people import Person, mailed_code
from tests.journeys.stack import Stack

numbers = count(1)


def another_ip() -> dict[str, str]:
    """The proxy's word for a caller who has not called before."""
    number = next(numbers)
    return {"X-Forwarded-For": f"198.51.{number // 250}.{number % 250 + 1}", "Accept-Language": "en"}


class Caller(Person):
    """Somebody at an address of their own."""

    def __init__(self, stack: Stack) -> None:
        super().__init__(stack)
        self.headers = another_ip()


def registered(stack: Stack) -> Caller:
    """Somebody with an account."""
    person, email = Caller(stack), new_address()
    person.post("/api/auth/send-code", {"email": email, "type": "REGISTER"})
    account = {"email": email, "code": mailed_code(stack, email)}
    person.headers["Authorization"] = person.post("/api/auth/register", account, expect=201)["token"]
    return person
