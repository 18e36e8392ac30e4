"""The admin, from another site: forged calls, frames, redirects; and what strangers have written, as staff see it."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from gallery.models import Model
from lumi.accounts.models import User
from tests.factories import make_model, make_request, make_user

ADDRESS, PASSWORD = "staff@example.com", "a long password 42"
MODELS = "/admin/gallery/model/"
EVIL = "https://evil.example"


@pytest.fixture
def staff(settings: Any) -> User:
    """May do everything. How slowly a password is hashed is not the subject here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return User.objects.create_superuser(ADDRESS, PASSWORD)


@pytest.fixture
def browser(staff: User) -> Client:
    """Signed in, and as strict as the world is."""
    browser = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    browser.force_login(staff)
    return browser


def hide(browser: Client, model: Model, origin: str = "", **more: Any) -> Any:
    """The moderators' action, confirmed."""
    form = {"verb": "hide", "model": [model.pk], "reason": "It is a weapon.", "sure": "1", **more}
    return browser.post(f"{MODELS}act/", form, headers={"origin": origin} if origin else {})


class TestForgedCalls:
    def test_an_action_without_a_token(self, browser: Client, alice: User) -> None:
        model = make_model(alice, public=True)
        assert hide(browser, model).status_code == 403
        assert Model.objects.get().moderation == "VISIBLE"

    def test_an_action_with_the_token_of_another_browser(self, browser: Client, alice: User) -> None:
        model = make_model(alice, public=True)
        other = Client().get("/admin/login/")
        token = other.cookies["csrftoken"].value
        browser.get(MODELS)
        assert hide(browser, model, csrfmiddlewaretoken=token).status_code == 403
        assert Model.objects.get().moderation == "VISIBLE"

    def test_an_action_from_another_site(self, browser: Client, alice: User) -> None:
        model = make_model(alice, public=True)
        browser.get(MODELS)
        token = browser.cookies["csrftoken"].value
        answer = hide(browser, model, csrfmiddlewaretoken=token, origin=EVIL)
        assert answer.status_code == 403
        assert Model.objects.get().moderation == "VISIBLE"
        assert hide(browser, model, csrfmiddlewaretoken=token).status_code == 302, "with a token it works"
        assert Model.objects.get().moderation == "HIDDEN"

    def test_a_look_changes_nothing(self, browser: Client, alice: User) -> None:
        model = make_model(alice, public=True)
        browser.get(MODELS, {"action": "hide", "_selected_action": model.pk})
        browser.get(f"{MODELS}{model.pk}/delete/", {"post": "yes"})
        assert Model.objects.get().moderation == "VISIBLE"
        assert browser.get("/admin/logout/").status_code == 405

    def test_a_sign_in_without_a_token(self, staff: User) -> None:
        stranger = Client(enforce_csrf_checks=True)
        form = {"username": ADDRESS, "password": PASSWORD}
        assert stranger.post("/admin/login/", form).status_code == 403
        assert "sessionid" not in stranger.cookies

    def test_the_staffs_cookie_is_nothing_to_the_api(self, browser: Client, staff: User) -> None:
        assert browser.get("/api/requests").status_code == 401
        asked = browser.post("/api/requests", '{"prompt": "a cat"}', "application/json")
        assert asked.status_code == 401

    def test_cookies_are_out_of_reach_of_scripts_and_other_sites(self, staff: User) -> None:
        client = Client()
        client.post("/admin/login/", {"username": ADDRESS, "password": PASSWORD})
        cookie = client.cookies["sessionid"]
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
        assert client.cookies["csrftoken"]["samesite"] == "Lax"


@pytest.mark.parametrize("path", ["/admin/", MODELS, "/admin/login/", "/admin/password_change/", "/docs"])
def test_no_page_stands_in_a_frame(browser: Client, path: str) -> None:
    page = browser.get(path)
    assert page["X-Frame-Options"] == "DENY"
    policy = dict(part.split(" ", 1) for part in page["Content-Security-Policy"].split("; "))
    assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == "'none'"
    assert policy.get("script-src", policy["default-src"]) == policy["form-action"] == "'self'"


ELSEWHERE = [
    EVIL, "//evil.example", "///evil.example", "\\\\evil.example", "/\\evil.example", "https:evil.example",
    "http:///evil.example", "javascript:alert(1)", "data:text/html,x", "/admin/\r\nX-Evil: 1", " https://evil.example",
    "https://127.0.0.1@evil.example", "https://testserver.evil.example", "\thttps://evil.example",
]  # fmt: skip


@pytest.mark.parametrize("after", ELSEWHERE)
def test_after_the_sign_in_nobody_is_sent_elsewhere(staff: User, after: str) -> None:
    client = Client()
    for query in ({"next": after}, {}):
        answer = client.post(
            "/admin/login/", {"username": ADDRESS, "password": PASSWORD, "next": after}, query_params=query
        )
        assert answer.status_code == 302
        assert answer["Location"].startswith("/admin/")
        assert "X-Evil" not in answer
        client.logout()


def test_what_strangers_wrote_is_text_to_staff(browser: Client) -> None:
    script = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    person = make_user("stranger@example.com", name=script)
    make_model(person, public=True, name=script, description=script)
    request = make_request(person, prompt=script)
    for path in (MODELS, f"{MODELS}{Model.objects.get().pk}/", "/admin/accounts/user/",
                 f"/admin/accounts/user/{person.pk}/", "/admin/generation/generationrequest/",
                 f"/admin/generation/generationrequest/{request.pk}/change/"):  # fmt: skip
        page = browser.get(path, follow=True)
        assert page.status_code == 200, path
        assert "<script>alert" not in page.content.decode(), path
        assert "onerror=alert(1)>" not in page.content.decode().replace("&gt;", ""), path


def test_people_of_the_api_are_nobody_in_the_admin(as_alice: APIClient) -> None:
    answer = as_alice.get(MODELS)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/admin/login/")
