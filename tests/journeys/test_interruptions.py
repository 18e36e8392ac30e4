"""Stopped, killed, started again: what was begun is finished."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.people import Person
from tests.journeys.stack import Stack

pytestmark = pytest.mark.journey

Interruption = Callable[[Stack], Any]


def stopped(stack: Stack) -> None:
    """SIGTERM, as a service manager does it; everything leaves cleanly."""
    assert set(stack.stop().values()) == {0}, stack.logs()
    assert "Traceback" not in stack.logs(), stack.logs()


def killed(stack: Stack) -> None:
    """kill -9."""
    stack.kill()


@pytest.mark.parametrize("interrupt", [stopped, killed])
def test_pictures_are_finished_after_a_restart(stack: Stack, maker: Person, interrupt: Interruption) -> None:
    request_ids = [maker.ask_for(f"a cat with {number} hats") for number in range(3)]
    maker.wait_for(request_ids[0], "IMAGE_GENERATING", "IMAGE_COMPLETED")
    interrupt(stack)
    stack.start()
    for request_id in request_ids:
        request = maker.wait_for(request_id, "IMAGE_COMPLETED", "IMAGE_FAILED")
        assert [image["imageStatus"] for image in request["images"]] == ["COMPLETED"] * 4, stack.logs()


@pytest.mark.parametrize("interrupt", [stopped, killed])
def test_a_model_is_finished_after_a_restart(stack: Stack, maker: Person, interrupt: Interruption) -> None:
    request_ids = [maker.ask_for(f"a castle with {number} towers") for number in range(2)]
    for request_id in request_ids:
        maker.wait_for(request_id, "IMAGE_COMPLETED")
    for request_id in request_ids:
        maker.choose(request_id)
    maker.wait_for(request_ids[0], "MODEL_GENERATING", "COMPLETED")
    interrupt(stack)
    stack.start()
    for request_id in request_ids:
        request = maker.wait_for(request_id, "COMPLETED", "MODEL_FAILED")
        assert request["status"] == "COMPLETED", stack.logs()
        assert maker.send("GET", request["model"]["modelUrl"]).ok


def test_a_request_that_nobody_has_begun_is_found(stack: Stack, maker: Person) -> None:
    request_id = maker.ask_for("a teapot")
    stack.kill()
    stack.start()
    maker.wait_for(request_id, "IMAGE_COMPLETED")
