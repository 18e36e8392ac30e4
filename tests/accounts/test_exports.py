"""Everything that a person has, as one ZIP."""

import io
import json
import tracemalloc
from typing import Any
from zipfile import ZipFile

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import Storage, default_storage
from pytest_django import Settings
from rest_framework.test import APIClient

from gallery.models import Model
from generation.models import GenerationRequest
from interactions.actions import toggle
from interactions.models import Kind
from lumi import files
from lumi.accounts import conduct, exports, sessions, tokens
from lumi.accounts.models import Session, User
from lumi.process import acting_as
from tests.accounts.desk import ask
from tests.factories import make_model, make_request, store

pytestmark = pytest.mark.django_db
EXPORT = "/api/auth/me/export"


def read(answer: Any) -> bytes:
    """The whole body, which also closes it."""
    return b"".join(answer.streaming_content)


def exported(client: APIClient) -> tuple[ZipFile, dict[str, Any]]:
    """The archive, and its tables by name."""
    answer = client.get(EXPORT)
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    archive = ZipFile(io.BytesIO(read(answer)))
    assert archive.testzip() is None
    names = [name for name in archive.namelist() if name.endswith(".json")]
    return archive, {name.removesuffix(".json"): json.loads(archive.read(name)) for name in names}


def test_somebody_who_has_nothing(as_alice: APIClient, alice: User) -> None:
    archive, tables = exported(as_alice)
    assert set(archive.namelist()) == {
        "README.txt", "account.json", "sessions.json", "tokens.json", "notices.json", "warnings.json",
        "requests.json", "models.json", "interactions.json", "reports.json",
    }  # fmt: skip
    assert [tables[name] for name in ("tokens", "requests", "models", "interactions")] == [[], [], [], []]
    (account,) = tables["account"]
    assert (account["id"], account["email"], account["name"]) == (alice.pk, "alice@example.com", "Alice")
    assert account["createdAt"].endswith("Z")
    assert account["avatar"] is None


def test_everything_of_one_person_and_nothing_of_another(
    as_alice: APIClient, alice: User, bob: User, as_nobody: APIClient
) -> None:
    request = make_request(alice, status="COMPLETED", prompt="一只小猫")
    uploaded = make_model(alice, source="USER_UPLOADED", description="mine")
    theirs = make_model(bob, public=True)
    make_request(bob, status="IMAGE_COMPLETED")
    toggle(user=alice, model_id=theirs.pk, kind=Kind.LIKE)
    toggle(user=bob, model_id=theirs.pk, kind=Kind.FAVORITE)
    ask(as_nobody)
    alice.avatar = store("avatars", alice, "avatar.webp", b"a face")["key"]
    alice.save()

    archive, tables = exported(as_alice)
    (account,) = tables["account"]
    assert archive.read(account["avatar"]) == b"a face"
    assert [code["purpose"] for code in account["mailedCodes"]] == ["LOGIN"]

    (one,) = tables["requests"]
    assert (one["id"], one["prompt"], one["status"]) == (request.pk, "一只小猫", "COMPLETED")
    assert [image["index"] for image in one["images"]] == [0, 1, 2, 3]
    assert {image["prompt"] for image in one["images"]} == {"一只小猫"}
    pictures = [archive.read(image["file"]) for image in one["images"]]
    assert pictures == [files.read(image.key) for image in request.images.all()]

    models = {row["id"]: row for row in tables["models"]}
    assert set(models) == set(Model.objects.owned_by(alice).values_list("pk", flat=True))
    assert models[uploaded.pk]["description"] == "mine"
    for row in models.values():
        own = [files.read(file["key"]) for file in Model.objects.get(pk=row["id"]).files]
        assert [archive.read(path) for path in row["files"]] == own
        assert len(row["files"]) == 6

    assert [(row["modelId"], row["type"]) for row in tables["interactions"]] == [(theirs.pk, "LIKE")]
    assert "bob" not in " ".join([*archive.namelist(), json.dumps(tables)]).lower()
    keys = {file["key"] for model in Model.objects.owned_by(alice) for file in model.files}
    assert len(archive.namelist()) == 10 + 1 + 4 + len(keys)


def test_what_staff_have_told_is_in_it_but_not_who(as_alice: APIClient, alice: User, bob: User) -> None:
    with acting_as("Boss (1)"):
        for person in (alice, bob):
            conduct.warn(person_id=person.pk, reason="no weapons", about="m1")
    _, tables = exported(as_alice)
    (notice,), (warning,) = tables["notices"], tables["warnings"]
    assert (notice["kind"], notice["modelId"], notice["readAt"]) == ("WARNING", "m1", None)
    assert (warning["reason"], warning["modelId"]) == ("no weapons", "m1")
    assert "Boss" not in json.dumps(tables)


def test_nothing_in_it_lets_anybody_in(as_alice: APIClient, alice: User) -> None:
    token, text = tokens.create(user=alice, name="printer", scopes=["read"], days=1)
    session = Session.objects.get()
    archive, tables = exported(as_alice)
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode()
    for secret in (
        text,
        token.token_hash,
        session.refresh_jti,
        alice.password,
        sessions.pair_for(session=session).token,
    ):
        assert secret not in everything
    assert [row["name"] for row in tables["tokens"]] == ["printer"]
    assert [row["id"] for row in tables["sessions"]] == [session.pk]


def test_the_first_page_is_in_both_languages(as_alice: APIClient) -> None:
    archive, _ = exported(as_alice)
    words = archive.read("README.txt").decode()
    assert "This is everything that Lumi has of you." in words
    assert len(words.split("\n---\n")) == 2


def test_a_file_that_is_lost_is_named(as_alice: APIClient, alice: User) -> None:
    model = make_model(alice)
    default_storage.delete(model.key("glb"))
    archive, _ = exported(as_alice)
    assert archive.read("missing-files.txt").decode() == f"models/{model.pk}/cat.glb\n"
    assert f"models/{model.pk}/cat.obj" in archive.namelist()


def test_a_storage_that_is_away_is_said_before_anything_is_sent(
    as_alice: APIClient, alice: User, settings: Settings
) -> None:
    make_model(alice)
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {"BACKEND": "tests.accounts.test_exports.StorageThatIsAway"},
    }
    answer = as_alice.get(EXPORT)
    assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNAVAILABLE")


class StorageThatIsAway(Storage):
    """It answers nothing."""

    def _open(self, name: str, mode: str = "rb") -> Any:
        """Raises ConnectionError."""
        raise ConnectionError(name)


def test_nothing_is_left_on_the_disk(as_alice: APIClient, alice: User) -> None:
    make_model(alice)
    before = set(files.WORKSPACES.glob("*")) if files.WORKSPACES.exists() else set()
    answer = as_alice.get(EXPORT)
    assert set(files.WORKSPACES.glob("*")) == before  # although nothing has been sent yet
    assert answer["Content-Disposition"] == 'attachment; filename="lumi.zip"'
    assert answer["Cache-Control"] == "no-store"
    assert int(answer["Content-Length"]) == len(read(answer))


def test_it_takes_a_session(as_nobody: APIClient) -> None:
    assert as_nobody.get(EXPORT).status_code == 401


def test_how_often_is_limited(as_alice: APIClient, settings: Settings) -> None:
    settings.RATE_LIMITS = {"export": "2/hour", "read": "100/minute"}
    for _ in range(2):
        exported(as_alice)
    assert as_alice.get(EXPORT).status_code == 429
    assert as_alice.get("/api/auth/sessions").status_code == 200


def test_memory_does_not_grow_with_the_files(alice: User) -> None:
    """16 files of 4 MB: no more of them is held than a piece of one."""
    for number in range(16):
        key = default_storage.save(f"models/{alice.pk}/{number}/big.obj", ContentFile(b"v 0 0 0\n" * 524_288))
        make_model(alice, files=[{"role": "obj", "key": key, "size": 4_194_304}])
    exports.archive_of(alice).close()  # what is loaded once
    tracemalloc.start()
    try:
        exports.archive_of(alice).close()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_rows_come_by_pages_each_once(alice: User, count: int) -> None:
    GenerationRequest.objects.bulk_create(GenerationRequest(owner=alice, prompt=str(n)) for n in range(count))
    rows = GenerationRequest.objects.owned_by(alice)
    assert sorted(row.pk for row in exports.each(rows)) == sorted(rows.values_list("pk", flat=True))


def test_statements_grow_by_the_page(alice: User, django_assert_num_queries: Any) -> None:
    GenerationRequest.objects.bulk_create(GenerationRequest(owner=alice, prompt="x") for _ in range(150))
    export = exports.records_of(alice)["requests"]
    with django_assert_num_queries(5):  # two pages with their pictures, and the end
        assert len(list(export)) == 150
