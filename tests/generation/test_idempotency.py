"""`Idempotency-Key`: the same thing asked again is done once and gets the first answer."""

import os
import warnings
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import OperationalError, connection
from rest_framework.test import APIClient

from gallery.models import Model
from generation import idempotency, pipeline, sweeps
from generation.models import GenerationRequest, IdempotencyKey
from lumi import clock
from lumi.accounts.models import User
from tests.conftest import client_of
from tests.factories import make_request
from tests.gallery.parallel import at_once
from tests.generation.test_requests_api import data, failed

pytestmark = pytest.mark.django_db

CAT = {"prompt": "a small cat"}


def ask(client: APIClient, body: Any = None, key: str = "key-1", path: str = "/api/requests") -> Any:
    """A POST with a key."""
    return client.post(path, CAT if body is None else body, headers={"idempotency-key": key})


def let_pass(**span: float) -> None:
    """The keys are older than they were."""
    for row in IdempotencyKey.objects.all():
        row.created_at -= timedelta(**span)
        row.locked_until = row.locked_until and row.locked_until - timedelta(**span)
        row.save()


class TestReplay:
    def test_gives_the_first_answer_and_does_nothing(self, as_alice: APIClient) -> None:
        first, second = ask(as_alice), ask(as_alice)
        assert data(second, 201) == data(first, 201)
        assert second.content == first.content
        assert second["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first
        assert GenerationRequest.objects.count() == 1

    def test_of_a_choice(self, as_alice: APIClient, alice: User) -> None:
        body = {"requestId": make_request(alice, status="IMAGE_COMPLETED").id, "imageIndex": 1}
        first, second = (ask(as_alice, body, path="/api/models") for _ in range(2))
        assert data(second, 201) == data(first, 201)
        assert Model.objects.count() == 1
        failed(as_alice.post("/api/models", body), 409, "CONFLICT")

    def test_written_in_another_order_it_is_the_same_body(self, as_alice: APIClient) -> None:
        bodies = [b'{"prompt": "x", "optimizePrompt": false}', b'{"optimizePrompt":false,"prompt":"x"}']
        ids = {
            data(as_alice.post("/api/requests", body, content_type="application/json",
                               headers={"idempotency-key": "k"}), 201)["request"]["id"]
            for body in bodies
        }  # fmt: skip
        assert len(ids) == 1

    def test_after_the_request_was_deleted(self, as_alice: APIClient) -> None:
        first = ask(as_alice)
        as_alice.delete(f"/api/requests/{data(first, 201)['request']['id']}")
        assert ask(as_alice).content == first.content
        assert not GenerationRequest.objects.exists()

    def test_without_a_key_everything_is_new(self, as_alice: APIClient) -> None:
        for _ in range(2):
            data(as_alice.post("/api/requests", CAT), 201)
        assert GenerationRequest.objects.count() == 2
        assert not IdempotencyKey.objects.exists()

    def test_statements(self, as_alice: APIClient, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(21):  # 14 as without a key; its row, and the transaction around the work
            ask(as_alice)
        with django_assert_num_queries(7):  # the person, the time, the refused row and its savepoint (4), the row
            ask(as_alice)


class TestAnother:
    def test_body(self, as_alice: APIClient) -> None:
        first = ask(as_alice)
        failed(ask(as_alice, {"prompt": "a dog"}), 422, "VALIDATION_ERROR")
        failed(ask(as_alice, {**CAT, "optimizePrompt": False}), 422, "VALIDATION_ERROR")
        failed(ask(as_alice, {}), 422, "VALIDATION_ERROR")
        assert ask(as_alice).content == first.content
        assert GenerationRequest.objects.count() == 1

    def test_person(self, as_alice: APIClient, as_bob: APIClient, bob: User) -> None:
        ids = {data(ask(client), 201)["request"]["id"] for client in (as_alice, as_bob)}
        assert len(ids) == 2
        assert data(ask(as_bob), 201)["request"]["userId"] == bob.id

    def test_path(self, as_alice: APIClient, alice: User) -> None:
        body = {**CAT, "requestId": make_request(alice, status="IMAGE_COMPLETED").id, "imageIndex": 0}
        data(ask(as_alice, body), 201)
        failed(ask(as_alice, body, path="/api/models"), 422, "VALIDATION_ERROR")
        assert not Model.objects.exists()

    def test_key(self, as_alice: APIClient) -> None:
        for key in ("abc", "ABC", "abc.", '"abc"', "x" * 255, "x" * 254, "!", "a b"):
            data(ask(as_alice, key=key), 201)
        assert GenerationRequest.objects.count() == 8

    def test_nobody(self, as_nobody: APIClient) -> None:
        failed(ask(as_nobody), 401, "UNAUTHORIZED")
        assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb", "a\x7fb", "猫".encode().decode("latin-1")])
def test_bad_keys(as_alice: APIClient, key: str) -> None:
    found = failed(as_alice.post("/api/requests", CAT, HTTP_IDEMPOTENCY_KEY=key), 400, "VALIDATION_ERROR")
    assert "255" in found["message"]
    assert not GenerationRequest.objects.exists()


class TestErrors:
    def test_free_the_key_for_anything(self, as_alice: APIClient) -> None:
        failed(ask(as_alice, {"prompt": ""}), 400, "VALIDATION_ERROR")
        failed(ask(as_alice, {"prompt": 5}), 400, "VALIDATION_ERROR")
        data(ask(as_alice), 201)

    def test_of_the_law_too(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice, status="IMAGE_GENERATING")
        body = {"requestId": request.id, "imageIndex": 0}
        failed(ask(as_alice, body, path="/api/models"), 409, "INVALID_STATE")
        GenerationRequest.objects.update(status="IMAGE_COMPLETED")
        request.images.update(status="COMPLETED")
        data(ask(as_alice, body, path="/api/models"), 201)

    def test_after_the_work_undo_it(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        client = client_of(alice)
        with monkeypatch.context() as patch:
            patch.setattr("generation.api.views.shown", lambda *_: 1 / 0)
            client.raise_request_exception = False  # type: ignore[attr-defined]
            assert ask(client).status_code == 500
        assert not GenerationRequest.objects.exists()
        data(ask(client), 201)

    def test_a_body_too_deep(self, as_alice: APIClient) -> None:
        body = b'{"prompt": "x", "y": ' + b"[" * 900 + b"]" * 900 + b"}"
        response = as_alice.post(
            "/api/requests", body, content_type="application/json", headers={"idempotency-key": "k"}
        )
        assert response.status_code in (201, 400)


class TestUnderWay:
    @pytest.fixture
    def started(self, alice: User) -> None:
        """Somebody has taken the key and not answered yet."""
        asked = ["POST", "/api/requests", CAT]
        idempotency.claim(alice, idempotency.digest("key-1"), idempotency.fingerprint_of(asked))

    def test_is_a_conflict(self, as_alice: APIClient, started: None) -> None:
        response = ask(as_alice)
        failed(response, 409, "CONFLICT")
        assert 1 <= int(response["Retry-After"]) <= 60
        failed(ask(as_alice, {"prompt": "a dog"}), 422, "VALIDATION_ERROR")
        assert not GenerationRequest.objects.exists()

    def test_when_its_process_is_gone_the_key_is_taken_over(self, as_alice: APIClient, started: None) -> None:
        let_pass(seconds=61)
        first = ask(as_alice)
        data(first, 201)
        assert "Idempotency-Replayed" not in first
        assert ask(as_alice).content == first.content
        assert GenerationRequest.objects.count() == 1

    def test_who_lost_the_key_commits_nothing(self, alice: User) -> None:
        """A process that was stopped for longer than its lock holds, and another has answered meanwhile."""

        def slow() -> Any:
            pipeline.start(owner=alice, prompt="too late")
            let_pass(seconds=61)
            row = IdempotencyKey.objects.get()
            idempotency.take_over(row, clock.now(), {"locked_until": clock.now() + idempotency.LOCK})
            return {}

        with pytest.raises(idempotency.UnderWay):
            idempotency.once(user=alice, key="key-1", asked=["POST", "/api/requests", CAT], work=slow)
        assert not GenerationRequest.objects.exists()

    def test_a_database_that_fails_frees_the_key(self, alice: User) -> None:
        def dies() -> Any:
            raise OperationalError(2013, "lost")

        with pytest.raises(OperationalError):
            idempotency.once(user=alice, key="key-1", asked=["POST", "/api/requests", CAT], work=dies)
        data(ask(client_of(alice)), 201)


def test_keys_are_forgotten_after_a_day(as_alice: APIClient) -> None:
    data(ask(as_alice), 201)
    let_pass(hours=23)
    sweeps.sweep()
    data(ask(as_alice, key="key-2"), 201)
    let_pass(hours=2)
    sweeps.sweep()
    assert IdempotencyKey.objects.count() == 1
    data(ask(as_alice), 201)
    assert GenerationRequest.objects.count() == 3


def test_rows_hold_no_words_but_the_answer(as_alice: APIClient) -> None:
    failed(ask(as_alice, {"prompt": "a secret " * 100}, key="my-own-words"), 400, "VALIDATION_ERROR")
    row = IdempotencyKey.objects.get()
    assert row.response is None
    assert not any("secret" in str(value) or "my-own" in str(value) for value in vars(row).values())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("round_", range(3))
def test_twenty_at_once_make_one_request(alice: User, round_: int) -> None:
    answers = at_once([partial(ask, client_of(alice)) for _ in range(20)])
    assert {answer.status_code for answer in answers} <= {201, 409}, [answer.content for answer in answers]
    made = [answer for answer in answers if answer.status_code == 201]
    assert made
    assert len({answer.content for answer in made}) == 1
    assert sum("Idempotency-Replayed" not in answer for answer in made) == 1
    assert all("Retry-After" in answer for answer in answers if answer.status_code == 409)
    assert GenerationRequest.objects.count() == 1
    assert data(ask(client_of(alice)), 201) == made[0].json()["data"]


def in_a_process(work: Callable[[], Any]) -> int:
    """Do it in a process of its own; its exit code."""
    connection.close()  # or both would talk on one line
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the other threads of the tests hold nothing we need
        child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_before_the_commit_has_done_nothing(alice: User) -> None:
    def start_and_die() -> None:
        pipeline.start(owner=alice, prompt="a small cat")
        os._exit(137)

    asked = ["POST", "/api/requests", CAT]
    died = in_a_process(lambda: idempotency.once(user=alice, key="key-1", asked=asked, work=start_and_die))
    assert died == 137
    assert not GenerationRequest.objects.exists()
    failed(ask(client_of(alice)), 409, "CONFLICT")
    let_pass(seconds=61)
    data(ask(client_of(alice)), 201)
    assert GenerationRequest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_twenty_mistakes_at_once_leave_the_key_free(alice: User) -> None:
    answers = at_once([partial(ask, client_of(alice), {"prompt": ""}) for _ in range(20)])
    assert {answer.status_code for answer in answers} <= {400, 409}, [answer.content for answer in answers]
    data(ask(client_of(alice)), 201)


@pytest.mark.django_db(transaction=True)
def test_one_of_many_takes_over(alice: User) -> None:
    asked = ["POST", "/api/requests", CAT]
    idempotency.claim(alice, idempotency.digest("key-1"), idempotency.fingerprint_of(asked))
    let_pass(seconds=61)
    answers = at_once([partial(ask, client_of(alice)) for _ in range(8)])
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert GenerationRequest.objects.count() == 1
