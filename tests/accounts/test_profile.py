"""What people change of themselves: name, language, picture, address."""

import io
from typing import Any

import pytest
from django.core import mail
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image
from pytest_django import Settings
from rest_framework.test import APIClient

from lumi import files
from lumi.accounts import profile
from lumi.accounts.models import EmailVerificationCode, User
from lumi.errors import LumiError
from lumi.models import DoomedFile
from tests.accounts.desk import another, at_once, code_in_last_mail, failure, let_pass, post_json
from tests.conftest import client_of
from tests.factories import make_model, make_user

pytestmark = pytest.mark.django_db
ME, AVATAR, EMAIL = "/api/auth/me", "/api/auth/me/avatar", "/api/auth/me/email"
NEW = "alice@elsewhere.example"


def me(client: APIClient) -> Any:
    """Who Lumi thinks that is calling."""
    return client.get(ME).json()["data"]["user"]


class TestNameAndLanguage:
    """`PATCH /api/auth/me`."""

    @pytest.mark.parametrize(
        ("body", "name", "language"),
        [
            ({"name": "  Alice \n Liddell "}, "Alice Liddell", None),
            ({"language": "en"}, "Alice", "en"),
            ({"language": "zh-hans", "name": "爱丽丝"}, "爱丽丝", "zh-hans"),
            ({"language": None}, "Alice", None),
            ({}, "Alice", None),
            ({"email": "x@example.com", "isStaff": True, "id": "1", "avatar": "x", "leaving": "KEEP"}, "Alice", None),
        ],
    )
    def test_what_is_given_is_changed_and_nothing_else(
        self, as_alice: APIClient, alice: User, body: Any, name: str, language: str | None
    ) -> None:
        answer = as_alice.patch(ME, body)
        assert answer.status_code == 200
        shown = answer.json()["data"]
        assert (shown["name"], shown["language"]) == (name, language)
        assert shown == me(as_alice)
        alice.refresh_from_db()
        assert (alice.email, alice.is_staff, alice.avatar, alice.leaving) == ("alice@example.com", False, "", "")

    def test_no_name_is_the_made_up_one(self, as_alice: APIClient, alice: User) -> None:
        assert as_alice.patch(ME, {"name": None}).json()["data"]["name"] == f"Lumi {alice.pk[-6:]}"

    def test_others_see_the_new_name(self, as_alice: APIClient, alice: User, as_nobody: APIClient) -> None:
        model = make_model(alice, public=True)
        as_alice.patch(ME, {"name": "Alicia"})
        shown = as_nobody.get(f"/api/models/{model.pk}").json()["data"]
        assert shown["user"] == {"id": alice.pk, "name": "Alicia"}

    @pytest.mark.parametrize(
        ("body", "member"),
        [
            ({"name": ""}, "name"),
            ({"name": " \u200b "}, "name"),
            ({"name": "x" * 101}, "name"),
            ({"name": 7}, "name"),
            ({"name": "a\0b"}, "name"),
            ({"language": "fr"}, "language"),
            ({"language": ""}, "language"),
            ({"language": 1}, "language"),
            ({"language": ["en"]}, "language"),
            ({"language": {"en": 1}}, "language"),
        ],
    )
    def test_bad_values_are_named(self, as_alice: APIClient, body: Any, member: str) -> None:
        before = me(as_alice)
        answer = as_alice.patch(ME, body)
        assert failure(answer) == (400, "VALIDATION_ERROR")
        assert member in answer.json()["data"]["details"]
        assert me(as_alice) == before

    def test_it_takes_a_session(self, as_nobody: APIClient) -> None:
        for client in (as_nobody, APIClient(headers={"authorization": "Bearer rubbish"})):
            assert failure(client.patch(ME, {"name": "x"})) == (401, "UNAUTHORIZED")
            assert client.get(ME).status_code == 200

    def test_somebody_who_has_just_gone_changes_nothing(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).delete()
        with pytest.raises(LumiError) as caught:
            profile.edit(user=alice, name="x")
        assert caught.value.status == 401


def picture(format: str = "PNG", size: tuple[int, int] = (800, 600), **extra: Any) -> SimpleUploadedFile:
    """A picture that is red in the middle and blue outside."""
    image = Image.new("RGB", size, "blue")
    image.paste("red", (size[0] // 4, size[1] // 4, size[0] * 3 // 4, size[1] * 3 // 4))
    out = io.BytesIO()
    image.save(out, format, **extra)
    return SimpleUploadedFile("me.bin", out.getvalue(), content_type="text/html")


def turned() -> bytes:
    """EXIF that says: turned by 90 degrees, taken by Alice."""
    exif = Image.Exif()
    exif[0x0112], exif[0x013B] = 6, "Alice in Wonderland"
    return exif.tobytes()


def stored(user: User) -> Image.Image:
    """The picture that Lumi keeps."""
    user.refresh_from_db()
    return Image.open(io.BytesIO(files.read(user.avatar)))


class TestAvatar:
    """`/api/auth/me/avatar`."""

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
    @pytest.mark.parametrize(
        ("size", "side"), [((800, 600), 512), ((600, 2000), 512), ((64, 64), 64), ((100, 3000), 100)]
    )
    def test_the_middle_is_kept(
        self, as_alice: APIClient, alice: User, format: str, size: tuple[int, int], side: int
    ) -> None:
        answer = as_alice.put(AVATAR, {"file": picture(format, size)}, format="multipart")
        assert answer.status_code == 200, answer.content
        kept = stored(alice)
        assert (kept.format, kept.size) == ("WEBP", (side, side))
        red, _, blue = kept.convert("RGB").getpixel((side // 2, side // 2))  # type: ignore[misc]
        assert (red > 200, blue < 100) == (True, True)
        address = answer.json()["data"]["avatarUrl"]
        assert address.endswith("/avatar.webp")
        assert address.split("/files/")[0] == "http://testserver"

    def test_it_is_upright_and_says_nothing_of_who_took_it_where(self, as_alice: APIClient, alice: User) -> None:
        file = picture("JPEG", (300, 200), exif=turned(), icc_profile=b"Alice's own screen", comment=b"Alice was here")
        assert as_alice.put(AVATAR, {"file": file}, format="multipart").status_code == 200
        kept = stored(alice)
        assert "Alice" not in files.read(alice.avatar).decode("latin-1")
        assert not kept.getexif()
        assert set(kept.info) <= {"loop", "background", "timestamp", "duration"}

    def test_transparency_stays(self, as_alice: APIClient, alice: User) -> None:
        out = io.BytesIO()
        Image.new("RGBA", (100, 100), (0, 0, 0, 0)).save(out, "PNG")
        as_alice.put(AVATAR, {"file": SimpleUploadedFile("a.png", out.getvalue())}, format="multipart")
        assert stored(alice).convert("RGBA").getpixel((50, 50))[3] == 0  # type: ignore[index]

    @pytest.mark.parametrize(
        "content",
        [
            b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html></html>", b"GIF89a\x01\0\x01\0\0\0\0;",
            b"%PDF-1.7", b"\x89PNG\r\n\x1a\n" + b"\0" * 100, picture("PNG", (63, 64)).read(), picture("GIF").read(),
            picture("PNG").read()[:200],
        ],
    )  # fmt: skip
    def test_what_is_no_picture_of_a_known_kind(self, as_alice: APIClient, alice: User, content: bytes) -> None:
        answer = as_alice.put(AVATAR, {"file": SimpleUploadedFile("me.png", content)}, format="multipart")
        assert failure(answer) == (400, "VALIDATION_ERROR")
        assert "file" in answer.json()["data"]["details"]
        alice.refresh_from_db()
        assert alice.avatar == ""
        assert not DoomedFile.objects.exists()

    def test_pixel_bombs(self, as_alice: APIClient) -> None:
        out = io.BytesIO()
        Image.new("1", (20_000, 20_000)).save(out, "PNG")
        assert len(out.getvalue()) < 100_000
        answer = as_alice.put(AVATAR, {"file": SimpleUploadedFile("a.png", out.getvalue())}, format="multipart")
        assert failure(answer) == (400, "VALIDATION_ERROR")

    def test_large_files(self, as_alice: APIClient, settings: Settings) -> None:
        settings.MAX_IMAGE_UPLOAD_BYTES = 1000
        large = SimpleUploadedFile("a.png", b"\0" * 100_000)
        assert failure(as_alice.put(AVATAR, {"file": large}, format="multipart")) == (413, "VALIDATION_ERROR")

    def test_no_file(self, as_alice: APIClient) -> None:
        assert failure(as_alice.put(AVATAR, {}, format="multipart")) == (400, "VALIDATION_ERROR")
        assert failure(as_alice.put(AVATAR, {"file": "x"})) == (415, "VALIDATION_ERROR")

    @pytest.mark.django_db(transaction=True)
    def test_the_one_before_goes(self, as_alice: APIClient, alice: User) -> None:
        keys = []
        for _ in range(2):
            as_alice.put(AVATAR, {"file": picture()}, format="multipart")
            alice.refresh_from_db()
            keys.append(alice.avatar)
        assert [default_storage.exists(key) for key in keys] == [False, True]
        assert as_alice.delete(AVATAR).json()["data"]["avatarUrl"] is None
        assert not default_storage.exists(keys[1])
        assert as_alice.delete(AVATAR).status_code == 200
        assert not DoomedFile.objects.exists()

    @pytest.mark.django_db(transaction=True)
    def test_of_several_at_once_one_stays(self, alice: User) -> None:
        client = client_of(alice)

        def put(_: int) -> int:
            return int(client.put(AVATAR, {"file": picture(size=(64, 64))}, format="multipart").status_code)

        assert at_once(4, put) == 4 * [200]
        alice.refresh_from_db()
        folder = f"avatars/{alice.pk}"
        kept = [f"{folder}/{each}/{name}" for each in default_storage.listdir(folder)[0]
                for name in default_storage.listdir(f"{folder}/{each}")[1]]  # fmt: skip
        assert kept == [alice.avatar]
        assert not DoomedFile.objects.exists()


def ask_for(client: APIClient, email: str = NEW) -> str:
    """Ask for a new address; the code from the mail."""
    let_pass(61)
    answer = client.post(EMAIL, {"email": email})
    assert answer.status_code == 200, answer.content
    return code_in_last_mail()


def confirm(client: APIClient, code: str, email: str = NEW) -> Any:
    """Take the new address."""
    return client.post(f"{EMAIL}/confirm", {"email": email, "code": code})


class TestAddress:
    """`/api/auth/me/email`."""

    def test_the_new_one_gets_a_code_and_the_former_one_a_notice(self, as_alice: APIClient, alice: User) -> None:
        code = ask_for(as_alice, "Alice@Elsewhere.Example")
        assert mail.outbox[0].to == [NEW]
        assert me(as_alice)["email"] == "alice@example.com"
        answer = confirm(as_alice, code)
        assert answer.status_code == 200
        assert answer.json()["data"]["email"] == me(as_alice)["email"] == NEW
        notice = mail.outbox[1]
        assert notice.to == ["alice@example.com"]
        assert notice.subject == "Your e-mail address at Lumi was changed"
        assert NEW not in notice.message().as_string()

    def test_the_notice_is_in_the_account_s_language(self, as_alice: APIClient, alice: User) -> None:
        as_alice.patch(ME, {"language": "zh-hans"})
        confirm(as_alice, ask_for(as_alice))
        assert '<html lang="zh-hans">' in mail.outbox[1].alternatives[0].content

    def test_the_former_one_is_free_and_the_new_one_opens_the_account(self, as_alice: APIClient, alice: User) -> None:
        confirm(as_alice, ask_for(as_alice))
        for email, status in ((NEW, 200), ("alice@example.com", 404)):
            let_pass(61)
            as_alice.post("/api/auth/send-code", {"email": email, "type": "LOGIN"})
            code = code_in_last_mail()
            answer = APIClient().post("/api/auth/login", {"email": email, "code": code})
            assert answer.status_code == status
        assert make_user("alice@example.com").pk != alice.pk

    def test_whether_an_address_is_taken_is_told_to_its_owner_only(self, as_alice: APIClient, bob: User) -> None:
        answers = []
        for email in (bob.email, "nobody@example.com"):
            let_pass(61)
            answers.append(as_alice.post(EMAIL, {"email": email}))
        assert answers[0].content == answers[1].content
        assert [one.to for one in mail.outbox] == [[bob.email], ["nobody@example.com"]]
        code = ask_for(as_alice, bob.email)
        assert failure(confirm(as_alice, code, bob.email.upper())) == (409, "CONFLICT")
        assert me(as_alice)["email"] == "alice@example.com"
        assert EmailVerificationCode.objects.filter(email=bob.email).latest("pk").used_at is None

    @pytest.mark.parametrize(
        "email", ["alice@example.com", "ALICE@example.com", "no address", "", None, 7, ["a@b.example"]]
    )
    def test_addresses_that_are_none(self, as_alice: APIClient, email: Any) -> None:
        answer = post_json(as_alice, EMAIL, {"email": email})
        assert failure(answer) == (400, "VALIDATION_ERROR")
        assert "email" in answer.json()["data"]["details"]
        assert not mail.outbox

    def test_a_wrong_code_and_five_guesses(self, as_alice: APIClient) -> None:
        code = ask_for(as_alice)
        for _ in range(5):
            assert failure(confirm(as_alice, another(code))) == (400, "VALIDATION_ERROR")
        assert failure(confirm(as_alice, code)) == (400, "VALIDATION_ERROR")
        assert me(as_alice)["email"] == "alice@example.com"

    def test_a_code_works_once_and_for_its_address_only(self, as_alice: APIClient) -> None:
        code = ask_for(as_alice)
        assert confirm(as_alice, code, "other@elsewhere.example").status_code == 400
        assert confirm(as_alice, code).status_code == 200
        assert confirm(as_alice, code).status_code == 400

    def test_codes_for_something_else_are_of_no_use(self, as_alice: APIClient) -> None:
        as_alice.post("/api/auth/send-code", {"email": NEW, "type": "LOGIN"})
        assert confirm(as_alice, code_in_last_mail()).status_code == 400
        code = ask_for(as_alice)
        let_pass(61)
        for door in ("login", "register"):
            assert as_alice.post(f"/api/auth/{door}", {"email": NEW, "code": code}).status_code == 400

    def test_nobody_can_ask_for_such_codes_without_a_session(self, as_nobody: APIClient) -> None:
        for purpose in ("CHANGE_EMAIL", "DELETE"):
            answer = as_nobody.post("/api/auth/send-code", {"email": NEW, "type": purpose})
            assert failure(answer) == (400, "VALIDATION_ERROR")

    def test_a_code_is_of_use_to_whoever_asked_only(self, as_alice: APIClient, as_bob: APIClient) -> None:
        """Bob neither uses it, nor uses up its guesses."""
        code = ask_for(as_alice)
        for _ in range(6):
            assert confirm(as_bob, another(code)).status_code == 400
        assert confirm(as_bob, code).status_code == 400
        assert confirm(as_alice, code).status_code == 200

    def test_a_notice_that_does_not_arrive_changes_nothing(self, as_alice: APIClient, settings: Settings) -> None:
        code = ask_for(as_alice)
        settings.EMAIL_BACKEND = "tests.accounts.desk.SilentServer"
        assert confirm(as_alice, code).status_code == 200
        assert me(as_alice)["email"] == NEW

    @pytest.mark.django_db(transaction=True)
    def test_two_people_one_address(self, alice: User, bob: User) -> None:
        clients = [client_of(alice), client_of(bob)]
        codes = [ask_for(client) for client in clients]
        answers = at_once(2, lambda number: confirm(clients[number], codes[number]).status_code)
        assert sorted(answers) == [200, 409]
        assert User.objects.filter(email=NEW).count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_one_code_many_times_at_once(self, alice: User) -> None:
        client = client_of(alice)
        code = ask_for(client)
        answers = at_once(4, lambda _: confirm(client, code).status_code)
        assert sorted(answers) == [200, 400, 400, 400]
        assert len(mail.outbox) == 2
