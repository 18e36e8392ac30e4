"""The staff's room as staff see it: every page at a desk and on a telephone, and the three things they do all day."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.staff import Desk
from tests.journeys.people import Person
from tests.journeys.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.journey]

PAGES = {
    "front": "/admin/",
    "image-jobs": "/admin/generation/imagegenerationjob/",
    "model-jobs": "/admin/generation/modelgenerationjob/",
    "requests": "/admin/generation/generationrequest/",
    "calls": "/admin/generation/providercall/",
    "costs": "/admin/generation/providercall/costs/",
    "history": "/admin/generation/jobevent/",
    "queue-new": "/admin/gallery/model/queue/?tab=new",
    "queue-reported": "/admin/gallery/model/queue/?tab=reported",
    "queue-hidden": "/admin/gallery/model/queue/?tab=hidden",
    "queue-appeals": "/admin/gallery/model/queue/?tab=appeals",
    "models": "/admin/gallery/model/",
    "reports": "/admin/gallery/report/",
    "people": "/admin/accounts/user/",
    "filter": "/admin/lumi/filterrule/",
    "filter-add": "/admin/lumi/filterrule/add/",
    "audit": "/admin/lumi/auditentry/",
    "roles": "/admin/auth/group/",
}


@pytest.fixture(scope="module")
def reported(finished: tuple[str, str], visitor: Person) -> str:
    """The id of a public model that somebody has reported."""
    _, model_id = finished
    visitor.post(f"/api/models/{model_id}/report", {"reason": "COPYRIGHT", "text": "I made this one"}, expect=201)
    return model_id


@pytest.fixture(scope="module")
def pages(stack: Stack, finished: tuple[str, str], reported: str, maker: Person) -> dict[str, str]:
    """All of them, those of single things too."""
    request_id, model_id = finished
    request = maker.get(f"/api/requests/{request_id}")
    image_job, model_job = request["images"][0]["generationJob"]["id"], request["model"]["generationJob"]["id"]
    return PAGES | {
        "image-job": f"/admin/generation/imagegenerationjob/{image_job}/change/",
        "model-job": f"/admin/generation/modelgenerationjob/{model_job}/change/",
        "request": f"/admin/generation/generationrequest/{request_id}/change/",
        "model": f"/admin/gallery/model/{model_id}/change/",
        "person": f"/admin/accounts/user/{request['userId']}/change/",
    }


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_every_page_is_whole_for_everybody(
    browser: Browser, stack: Stack, pages: dict[str, str], width: int, scheme: str
) -> None:
    """In light and dark: nothing sticks out, no error, no other host, and axe finds nothing serious."""
    desk = Desk(browser, stack, width)
    desk.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    desk.page.goto("/admin/login/")
    found = {"sign-in": desk.barriers()}
    desk.sign_in("administrator@example.com")
    wide = {}
    for name, path in pages.items():
        desk.open(path)
        found[name], wide[name] = desk.barriers(), desk.overflow()
        desk.keep(name)
    desk.context.close()
    assert {name: barriers for name, barriers in found.items() if barriers} == {}
    assert {name: pixels for name, pixels in wide.items() if pixels > 0} == {}
    assert "\n".join(desk.complaints) == ""


def test_a_model_turns_on_the_page_of_its_job(desk: Desk, pages: dict[str, str]) -> None:
    desk.sign_in("operator@example.com")
    page = desk.open(pages["model-job"])
    viewer = page.locator(".lumi-viewer").first
    viewer.scroll_into_view_if_needed()
    expect(viewer).to_have_attribute("data-state", "turning", timeout=30_000)
    before, angle = viewer.screenshot(), viewer.get_attribute("data-angle")
    expect(viewer).not_to_have_attribute("data-angle", angle or "", timeout=30_000)
    assert viewer.screenshot() != before  # other pixels, and not only another number
    assert len(set(before)) > 50  # not one flat colour
    desk.keep("story-viewer")
    viewer.locator("canvas").hover()
    page.mouse.down()
    page.mouse.move(10, 10)
    page.mouse.up()
    expect(viewer).to_have_attribute("data-state", "still")  # in the person's hands now


def test_a_moderator_hides_a_reported_model_and_it_is_gone_at_once(
    desk: Desk, reported: str, visitor: Person, maker: Person
) -> None:
    shown = visitor.get(f"/api/models/{reported}")
    assert reported in [model["id"] for model in visitor.get("/api/models/public")]
    desk.sign_in("moderator@example.com")
    page = desk.open(PAGES["queue-reported"])
    card = page.locator(f"[data-model='{reported}']")
    expect(card).to_contain_text("I made this one")
    desk.keep("story-reported")
    card.focus()
    page.keyboard.press("h")
    page.keyboard.type("It is somebody else's work.")
    desk.keep("story-hiding")
    page.keyboard.press("Enter")
    expect(card).to_have_count(0)
    assert reported not in [model["id"] for model in visitor.get("/api/models/public")]
    visitor.get(f"/api/models/{reported}", expect=404)
    assert visitor.send("GET", shown["modelUrl"]).status_code == 404
    assert maker.get(f"/api/models/{reported}")["moderation"]["reason"] == "It is somebody else's work."
    assert any(notice["modelId"] == reported for notice in maker.get("/api/me/notices"))
    page = desk.open(PAGES["queue-hidden"])
    page.locator(f"[data-model='{reported}']").focus()
    page.keyboard.press("r")
    expect(page.locator(f"[data-model='{reported}']")).to_have_count(0)
    again = visitor.get(f"/api/models/{reported}")
    assert again["viewCount"] >= shown["viewCount"]
    assert visitor.send("GET", again["modelUrl"]).status_code == 200


def test_an_operator_requeues_a_failed_job_and_sees_it_complete(desk: Desk, moody: Path, maker: Person) -> None:
    moody.touch()
    request_id = maker.ask_for("a small dog")
    request = maker.wait_for(request_id, "IMAGE_FAILED")
    moody.unlink()
    job = request["images"][0]["generationJob"]["id"]
    desk.sign_in("operator@example.com")
    page = desk.open(f"/admin/generation/imagegenerationjob/{job}/change/")
    expect(page.locator("body")).to_contain_text("not in the mood")
    page.get_by_role("link", name="Queue again").or_(page.get_by_role("button", name="Queue again")).first.click()
    desk.keep("story-requeue-question")
    page.locator("form [type=submit]").last.click()
    maker.wait_until(request_id, lambda found: found["images"][0]["imageStatus"] == "COMPLETED", "painted")
    desk.open(f"/admin/generation/imagegenerationjob/{job}/change/")
    expect(page.locator("body")).to_contain_text("COMPLETED")
    desk.keep("story-requeued")
