"""The second factor of staff: without the setting nothing changes, with it nobody comes in by a password alone."""

import io
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command
from django.db.models import F
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings

from lumi.accounts import second_factor
from lumi.accounts.models import User
from lumi.accounts.staff import picture_of

pytestmark = pytest.mark.django_db
EMAIL, PASSWORD = "boss@example.com", "a long password"
PAGE, SIGN_IN = "/admin/second-factor/", "/admin/login/?next=/admin/"
WRONG = "This code is wrong"


@pytest.fixture(autouse=True)
def two_factors(settings: Settings) -> None:
    """As LUMI_ADMIN_TOTP=true."""
    settings.ADMIN_TOTP = True


@pytest.fixture
def boss() -> User:
    """Staff with every right."""
    return User.objects.create_superuser(EMAIL, PASSWORD)


@pytest.fixture
def browser() -> Client:
    """Of a person who reads English, with CSRF checks."""
    return Client(headers={"accept-language": "en"})


def sign_in(browser: Client, code: str = "") -> Any:
    """The form of the sign-in page."""
    return browser.post(SIGN_IN, {"username": EMAIL, "password": PASSWORD, "otp_token": code})


def shown(device: TOTPDevice, late: int = 0) -> str:
    """What the app shows, so many steps from now."""
    return f"{totp(device.bin_key, drift=late):06}"


def set_up(browser: Client) -> tuple[TOTPDevice, list[str]]:
    """A browser that is in, by the password and an app that was just set up; the app and the recovery codes."""
    assert sign_in(browser).status_code == 302
    browser.get(PAGE)
    device = TOTPDevice.objects.get()
    page = browser.post(PAGE, {"code": shown(device)}).content.decode()
    return device, re.findall(r"^([a-z2-7]{8})$", page.replace("<pre>", "<pre>\n"), re.MULTILINE)


def forget_time(device: TOTPDevice) -> None:
    """As if the codes so far had been used, and missed, long ago."""
    TOTPDevice.objects.filter(pk=device.pk).update(
        last_t=-1, throttling_failure_count=0, throttling_failure_timestamp=None
    )
    StaticDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)


def is_in(browser: Client) -> bool:
    """Whether the admin opens."""
    return browser.get("/admin/").status_code == 200


class TestWithoutTheSetting:
    """Django's admin, as it was."""

    @pytest.fixture(autouse=True)
    def one_factor(self, two_factors: None, settings: Settings) -> None:
        """As by default."""
        settings.ADMIN_TOTP = False

    def test_a_password_is_enough_and_the_page_is_not_there(self, boss: User, browser: Client) -> None:
        page = browser.get(SIGN_IN).content.decode()
        assert "otp_token" not in page
        assert sign_in(browser).status_code == 302
        assert is_in(browser)
        assert browser.get(PAGE).status_code == 404

    def test_devices_of_others_are_not_in_the_admin(self, boss: User, browser: Client) -> None:
        sign_in(browser)
        assert "otp" not in browser.get("/admin/").content.decode().lower()

    def test_an_app_that_was_set_up_is_not_asked_for(self, boss: User, browser: Client) -> None:
        TOTPDevice.objects.create(user=boss, name="app")
        assert sign_in(browser).status_code == 302
        assert is_in(browser)

    def test_check_deploy_says_so(self, settings: Settings) -> None:
        def ids() -> set[str]:
            return {str(message.id) for message in run_checks(include_deployment_checks=True)}

        assert "lumi.W003" in ids()
        settings.ADMIN_TOTP = True
        assert "lumi.W003" not in ids()


class TestSettingUp:
    """The first sign-in."""

    def test_a_password_alone_leads_to_the_page_and_no_further(self, boss: User, browser: Client) -> None:
        answer = browser.post(SIGN_IN, {"username": EMAIL, "password": PASSWORD}, follow=True)
        assert answer.redirect_chain[-1][0] == PAGE
        for path in ("/admin/", "/admin/accounts/user/", f"/admin/accounts/user/{boss.pk}/change/"):
            assert browser.get(path).status_code == 302, path

    def test_the_page_shows_a_picture_and_the_same_key_in_words(self, boss: User, browser: Client) -> None:
        sign_in(browser)
        page = browser.get(PAGE)
        device = TOTPDevice.objects.get()
        url = urlsplit(device.config_url)
        assert (url.scheme, parse_qs(url.query)["issuer"]) == ("otpauth", ["Lumi"])
        (key,) = parse_qs(url.query)["secret"]
        text = page.content.decode()
        assert re.search(r"<code>(.*?)</code>", text)[1].replace(" ", "") == key  # type: ignore[index]
        assert picture_of(device) in text
        assert picture_of(device).startswith("<svg")
        assert "no-store" in page["Cache-Control"]
        assert browser.get(PAGE).content.decode().count(key[:4]) == text.count(key[:4])
        assert TOTPDevice.objects.count() == 1

    def test_nothing_of_the_page_comes_from_elsewhere(self, boss: User, browser: Client) -> None:
        sign_in(browser)
        addresses = re.findall(r'(?:src|href|action)="([^"#]+)"', browser.get(PAGE).content.decode())
        assert addresses
        assert all(address.startswith("/") for address in addresses), addresses

    def test_the_first_right_code_opens_the_admin_and_shows_recovery_codes_once(
        self, boss: User, browser: Client
    ) -> None:
        device, codes = set_up(browser)
        assert len(codes) == len(set(codes)) == 10
        assert is_in(browser)
        device.refresh_from_db()
        assert device.confirmed
        page = browser.get(PAGE).content.decode()
        assert not [code for code in codes if code in page]
        assert "Recovery codes that are left: 10" in page
        assert device.key not in page

    @pytest.mark.parametrize("code", ["", "abc", "12345", "１２３４５６", "0" * 40])
    def test_a_wrong_code_changes_nothing(self, boss: User, browser: Client, code: str) -> None:
        sign_in(browser)
        browser.get(PAGE)
        assert browser.post(PAGE, {"code": code}).status_code == 200
        assert not TOTPDevice.objects.get().confirmed
        assert not is_in(browser)

    def test_a_second_browser_cannot_set_up_another_app(self, boss: User, browser: Client) -> None:
        other = Client(headers={"accept-language": "en"})
        sign_in(other)
        other.get(PAGE)
        device, _ = set_up(browser)
        assert other.post(PAGE, {"code": shown(device, 1)}).status_code == 302
        assert not is_in(other)
        assert TOTPDevice.objects.count() == 1

    def test_the_page_is_for_staff(self, alice: User, browser: Client) -> None:
        assert browser.get(PAGE).status_code == 302
        browser.force_login(alice)
        assert browser.get(PAGE).status_code == 302
        assert not TOTPDevice.objects.exists()

    def test_it_takes_a_csrf_token(self, boss: User) -> None:
        strict = Client(enforce_csrf_checks=True)
        strict.force_login(boss)
        assert strict.post(PAGE, {"code": "123456"}).status_code == 403


class TestSigningIn:
    """Afterwards."""

    @pytest.fixture
    def device(self, boss: User, browser: Client) -> TOTPDevice:
        """Set up, long ago."""
        device, self.codes = set_up(browser)
        browser.logout()
        forget_time(device)
        return device

    def test_password_and_code(self, device: TOTPDevice, browser: Client) -> None:
        assert "Code from your authenticator app" in browser.get(SIGN_IN).content.decode()
        assert sign_in(browser, shown(device)).status_code == 302
        assert is_in(browser)

    def test_spaces_do_no_harm(self, device: TOTPDevice, browser: Client) -> None:
        code = shown(device)
        assert sign_in(browser, f" {code[:3]} {code[3:]} ").status_code == 302

    @pytest.mark.parametrize(
        ("code", "words"), [("", "Please enter the code"), ("nonsense", WRONG), ("12 34", WRONG), ("０" * 6, WRONG)]
    )
    def test_no_or_a_wrong_code(self, device: TOTPDevice, browser: Client, code: str, words: str) -> None:
        assert words in sign_in(browser, code).content.decode()
        assert not is_in(browser)

    def test_a_code_works_once(self, device: TOTPDevice, browser: Client) -> None:
        code = shown(device)
        assert sign_in(browser, code).status_code == 302
        TOTPDevice.objects.update(throttling_failure_count=0)
        assert WRONG in sign_in(Client(headers={"accept-language": "en"}), code).content.decode()

    def test_a_wrong_password_says_nothing_of_the_code(self, device: TOTPDevice, browser: Client) -> None:
        form = {"username": EMAIL, "password": "wrong", "otp_token": "1"}
        page = browser.post(SIGN_IN, form).content.decode()
        assert WRONG not in page
        assert TOTPDevice.objects.get().throttling_failure_count == 0

    def test_guessing_is_held_up_longer_and_longer(self, device: TOTPDevice, browser: Client) -> None:
        assert WRONG in sign_in(browser, "1").content.decode()
        page = sign_in(browser, shown(device)).content.decode()
        assert "try again soon" in page
        assert not is_in(browser)
        TOTPDevice.objects.update(throttling_failure_timestamp=F("throttling_failure_timestamp") - 1_000_000_000)
        assert TOTPDevice.objects.get().throttling_failure_count == 1

    def test_a_recovery_code_works_once(self, device: TOTPDevice, browser: Client) -> None:
        code = self.codes[0]
        assert sign_in(browser, code.upper()).status_code == 302
        assert is_in(browser)
        assert second_factor.count_recovery_codes(device.user) == 9
        assert WRONG in sign_in(Client(headers={"accept-language": "en"}), code).content.decode()

    def test_new_recovery_codes_void_the_old_ones(self, device: TOTPDevice, browser: Client) -> None:
        sign_in(browser, shown(device))
        page = browser.post(PAGE).content.decode()
        assert StaticToken.objects.count() == 10
        assert all(code in page for code in StaticToken.objects.values_list("token", flat=True))
        assert not StaticToken.objects.filter(token__in=self.codes).exists()

    def test_a_code_of_somebody_else_is_of_no_use(self, device: TOTPDevice, browser: Client) -> None:
        other = User.objects.create_superuser("other@example.com", PASSWORD)
        theirs = TOTPDevice.objects.create(user=other, name="app")
        form = {"username": EMAIL, "password": PASSWORD, "otp_token": shown(theirs)}
        assert WRONG in browser.post(SIGN_IN, form | {"otp_device": theirs.persistent_id}).content.decode()
        assert not is_in(browser)

    def test_a_session_from_before_the_setting_is_not_enough(self, device: TOTPDevice, browser: Client) -> None:
        browser.force_login(device.user)
        assert not is_in(browser)
        assert browser.get(PAGE).status_code == 302


class TestReset:
    """`manage.py staff_otp reset`."""

    def test_it_forgets_the_device_and_ends_what_it_opened(self, boss: User, browser: Client) -> None:
        set_up(browser)
        assert is_in(browser)
        out = io.StringIO()
        call_command("staff_otp", "reset", "Boss@Example.com", stdout=out)
        assert "forgotten" in out.getvalue()
        assert not TOTPDevice.objects.exists()
        assert not StaticToken.objects.exists()
        assert not is_in(browser)
        assert browser.get(PAGE).status_code == 200  # once more from the beginning

    def test_there_may_be_nothing_to_forget(self, boss: User) -> None:
        out = io.StringIO()
        call_command("staff_otp", "reset", EMAIL, stdout=out)
        assert "no second factor" in out.getvalue()

    @pytest.mark.parametrize("email", ["nobody@example.com", "a@a..b"])
    def test_nobody_has_the_address(self, email: str) -> None:
        with pytest.raises(CommandError, match="Nobody"):
            call_command("staff_otp", "reset", email)
