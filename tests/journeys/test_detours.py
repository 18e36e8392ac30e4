"""Cancelling, retrying, choosing: what the state law allows and what it answers 409 to."""

import pytest

from tests.journeys.people import Person

pytestmark = pytest.mark.journey


def test_cancel_while_pictures_are_painted(maker: Person) -> None:
    request_id = maker.ask_for("a dragon")
    assert maker.post(f"/api/requests/{request_id}/cancel")["status"] == "CANCELLED"
    assert maker.post("/api/models", {"requestId": request_id, "imageIndex": 0}, expect=409)
    refusal = maker.post(f"/api/requests/{request_id}/cancel", expect=409)
    assert refusal["code"] == "INVALID_STATE"
    stays_cancelled(maker, request_id)


def test_cancel_while_the_model_is_built(maker: Person) -> None:
    request_id = maker.ask_for("a boat")
    maker.wait_for(request_id, "IMAGE_COMPLETED")
    maker.choose(request_id)
    assert maker.post(f"/api/requests/{request_id}/cancel")["status"] == "CANCELLED"
    stays_cancelled(maker, request_id)


def stays_cancelled(maker: Person, request_id: str) -> None:
    """Another request, asked for later, is finished; by then a late answer would have shown."""
    other = maker.ask_for("a cup")
    maker.wait_for(other, "IMAGE_COMPLETED")
    request = maker.get(f"/api/requests/{request_id}")
    assert request["status"] == "CANCELLED"
    assert request["completedAt"] is None


@pytest.mark.parametrize("wanted", ["IMAGE_COMPLETED", "COMPLETED"])
def test_only_what_failed_is_retried(maker: Person, wanted: str) -> None:
    request_id = maker.ask_for("a tree")
    maker.wait_for(request_id, "IMAGE_COMPLETED")
    if wanted == "COMPLETED":
        maker.choose(request_id)
        maker.wait_for(request_id, "COMPLETED")
    assert maker.post(f"/api/requests/{request_id}/retry", expect=409)["code"] == "INVALID_STATE"
    assert maker.get(f"/api/requests/{request_id}")["status"] == wanted


def test_one_choice_and_only_of_finished_pictures(maker: Person, visitor: Person) -> None:
    request_id = maker.ask_for("a star")
    early = maker.send("POST", "/api/models", {"requestId": request_id, "imageIndex": 0})
    assert early.status_code in (201, 409)  # a fast machine may be ready
    maker.wait_until(request_id, lambda request: request["status"] != "IMAGE_PENDING", "begun")
    visitor.post("/api/models", {"requestId": request_id, "imageIndex": 0}, expect=404)
    maker.post("/api/models", {"requestId": request_id, "imageIndex": 4}, expect=400)
    if early.status_code == 409:
        maker.wait_for(request_id, "IMAGE_COMPLETED")
        maker.choose(request_id, 3)
    assert maker.post("/api/models", {"requestId": request_id, "imageIndex": 1}, expect=409)["code"] == "CONFLICT"
