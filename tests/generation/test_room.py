"""The queue is bounded, for each person and in all: beyond it 503 QUEUE_FULL, before anything is written."""

from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from generation.models import GenerationRequest, IdempotencyKey
from lumi.accounts.models import User
from tests.conftest import client_of
from tests.factories import make_request, make_user
from tests.gallery.parallel import at_once
from tests.generation.test_requests_api import data

pytestmark = pytest.mark.django_db


@pytest.fixture
def room(settings: Any) -> Any:
    """Set the two bounds."""

    def set_to(person: int, everybody: int = 5000) -> None:
        bounds = {"most_unfinished_per_person": person, "most_unfinished": everybody}
        settings.GENERATION = settings.GENERATION | bounds

    return set_to


def full(response: Any) -> str:
    """The sentence of a QUEUE_FULL."""
    body = response.json()
    assert (response.status_code, body["status"], body["code"]) == (503, "error", "QUEUE_FULL"), body
    assert int(response["Retry-After"]) >= 1
    return str(body["message"])


def post(client: APIClient) -> Any:
    """One more request."""
    return client.post("/api/requests", {"prompt": "x"})


class TestForOnePerson:
    def test_nothing_is_written_and_others_are_not_held_up(
        self, as_alice: APIClient, as_bob: APIClient, alice: User, room: Any
    ) -> None:
        for _ in range(2):
            make_request(alice)
        room(2)
        assert full(post(as_alice)).startswith("You have many requests")
        assert GenerationRequest.objects.count() == 2
        data(post(as_bob), 201)

    @pytest.mark.parametrize("status", ["IMAGE_COMPLETED", "COMPLETED", "IMAGE_FAILED", "CANCELLED"])
    def test_only_what_waits_for_work_counts(self, as_alice: APIClient, alice: User, room: Any, status: str) -> None:
        make_request(alice, status=status)
        room(1)
        data(post(as_alice), 201)
        full(post(as_alice))

    def test_a_choice_needs_room_too(self, as_alice: APIClient, alice: User, room: Any) -> None:
        waiting, busy = make_request(alice, status="IMAGE_COMPLETED"), make_request(alice)
        room(1)
        body = {"requestId": waiting.id, "imageIndex": 0}
        full(as_alice.post("/api/models", body))
        waiting.refresh_from_db()
        assert (waiting.status, waiting.selected_image_index) == ("IMAGE_COMPLETED", None)
        data(as_alice.post(f"/api/requests/{busy.id}/cancel"))
        data(as_alice.post("/api/models", body), 201)

    def test_retry_cancel_and_delete_are_possible_when_it_is_full(
        self, as_alice: APIClient, alice: User, room: Any
    ) -> None:
        lost, busy = make_request(alice, status="IMAGE_FAILED"), make_request(alice)
        room(1, 1)
        assert data(as_alice.post(f"/api/requests/{lost.id}/retry"))["status"] == "IMAGE_PENDING"
        assert data(as_alice.post(f"/api/requests/{busy.id}/cancel"))["status"] == "CANCELLED"
        data(as_alice.delete(f"/api/requests/{lost.id}"))
        data(post(as_alice), 201)

    def test_a_refusal_frees_the_key(self, as_alice: APIClient, alice: User, room: Any) -> None:
        busy = make_request(alice)
        room(1)
        ask = partial(as_alice.post, "/api/requests", {"prompt": "x"}, headers={"idempotency-key": "k"})
        full(ask())
        assert IdempotencyKey.objects.get().response is None
        data(as_alice.post(f"/api/requests/{busy.id}/cancel"))
        data(ask(), 201)


class TestInAll:
    def test_nothing_is_written(self, as_alice: APIClient, as_bob: APIClient, room: Any) -> None:
        room(50, 2)
        data(post(as_alice), 201)
        data(post(as_bob), 201)
        for client in (as_alice, as_bob):
            assert full(post(client)).startswith("Very many requests")
        assert GenerationRequest.objects.count() == 2

    def test_statements(self, as_alice: APIClient, alice: User, room: Any, django_assert_num_queries: Any) -> None:
        for _ in range(2):
            make_request(alice)
        room(50, 2)
        with django_assert_num_queries(8):  # the person, the rules, the savepoint (3), the person's row, two counts
            full(post(as_alice))


@pytest.mark.django_db(transaction=True)
def test_posts_at_once_of_one_person_never_exceed_the_bound(alice: User, room: Any) -> None:
    room(3)
    answers = at_once([partial(post, client_of(alice)) for _ in range(16)])
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [503] * 13
    assert GenerationRequest.objects.unfinished().count() == 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_posts_at_once_of_many_people_never_exceed_the_bound(room: Any, round_: int) -> None:
    room(50, 5)
    answers = at_once([partial(post, client_of(make_user())) for _ in range(16)])
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [503] * 11, [a.content for a in answers]
    assert GenerationRequest.objects.unfinished().count() == 5


@pytest.mark.django_db(transaction=True)
def test_choices_and_posts_at_once_never_exceed_the_bound(room: Any) -> None:
    people = [make_user() for _ in range(12)]
    ready = [make_request(person, status="IMAGE_COMPLETED") for person in people]
    room(50, 4)
    choices = [
        partial(client_of(request.owner).post, "/api/models", {"requestId": request.id, "imageIndex": 0})
        for request in ready[:6]
    ]
    answers = at_once(choices + [partial(post, client_of(person)) for person in people[6:]])
    assert sorted(answer.status_code for answer in answers) == [201] * 4 + [503] * 8
    assert GenerationRequest.objects.unfinished().count() == 4
