"""`/api/requests` and `POST /api/models`: for the owner, for another person, for nobody; and bad input."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from gallery.models import Model
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob
from lumi.accounts.models import User
from tests.factories import make_request
from tests.generation.vendor import png

pytestmark = pytest.mark.django_db

REQUEST_KEYS = {
    "id", "userId", "prompt", "status", "phase", "selectedImageIndex", "errorMessage", "createdAt", "updatedAt",
    "completedAt", "images", "model",
}  # fmt: skip
IMAGE_KEYS = {
    "id", "requestId", "index", "imageUrl", "imagePrompt", "imageStatus", "createdAt", "completedAt", "failedAt",
    "errorMessage", "generationJob",
}  # fmt: skip


def failed(response: Any, status: int, code: str) -> dict[str, Any]:
    """The data of a `fail` envelope, after checking its manners."""
    body = response.json()
    assert (response.status_code, body["status"], body["data"]["code"]) == (status, "fail", code), body
    assert isinstance(body["data"]["message"], str)
    assert len(body["data"]["message"]) > 5
    return body["data"]


def data(response: Any, status: int = 200) -> Any:
    """The data of a `success` envelope."""
    body = response.json()
    assert (response.status_code, body["status"]) == (status, "success"), body
    return body["data"]


class TestCreate:
    def test_answers_at_once_with_four_images(self, as_alice: APIClient, alice: User) -> None:
        found = data(as_alice.post("/api/requests", {"prompt": "  a small cat \n"}), 201)
        assert found["message"]
        request = found["request"]
        assert set(request) == REQUEST_KEYS
        assert (request["prompt"], request["status"], request["phase"]) == (
            "a small cat",
            "IMAGE_PENDING",
            "IMAGE_GENERATION",
        )
        assert (request["userId"], request["model"], request["completedAt"]) == (alice.id, None, None)
        assert [image["index"] for image in request["images"]] == [0, 1, 2, 3]
        for image in request["images"]:
            assert set(image) == IMAGE_KEYS
            assert (image["imageUrl"], image["imagePrompt"], image["imageStatus"]) == (None, None, "PENDING")
            assert set(image["generationJob"]) == {"id", "status", "retryCount", "progress"}
            assert image["generationJob"]["status"] == "PENDING"
        assert request["createdAt"].endswith("Z")
        assert len(request["createdAt"]) == len("2026-01-31T08:15:30.123Z")
        assert GenerationRequest.objects.get().optimize_prompt is True

    def test_unknown_members_are_ignored(self, as_alice: APIClient) -> None:
        data(as_alice.post("/api/requests", {"prompt": "x", "optimizePrompt": False, "colour": "red"}), 201)
        assert GenerationRequest.objects.get().optimize_prompt is False

    @pytest.mark.parametrize("prompt", ["猫" * 500, " " + "x" * 500 + "\n", "🐈‍⬛ and\nnew line"])
    def test_up_to_500_characters_after_trimming(self, as_alice: APIClient, prompt: str) -> None:
        found = data(as_alice.post("/api/requests", {"prompt": prompt}), 201)
        assert found["request"]["prompt"] == prompt.strip()

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"prompt": ""},
            {"prompt": "   \n\t "},
            {"prompt": None},
            {"prompt": "x" * 501},
            {"prompt": 5},
            {"prompt": ["a cat"]},
            {"prompt": {"text": "a cat"}},
            {"prompt": True},
            {"prompt": "a\x00cat"},
            {"prompt": "a cat", "optimizePrompt": "yes"},
            {"prompt": "a cat", "optimizePrompt": 1},
            {"prompt": "a cat", "optimizePrompt": None},
            [],
            "a cat",
            None,
            7,
        ],
    )
    def test_bad_input_changes_nothing(self, as_alice: APIClient, body: Any) -> None:
        failed(as_alice.post("/api/requests", body), 400, "VALIDATION_ERROR")
        assert not GenerationRequest.objects.exists()

    @pytest.mark.parametrize("body", [b"{", b'{"prompt": "a', b"\xff\xfe", b'{"prompt": "\\ud800"}', b"[" * 5000])
    def test_broken_json(self, as_alice: APIClient, body: bytes) -> None:
        failed(as_alice.post("/api/requests", body, content_type="application/json"), 400, "VALIDATION_ERROR")
        assert not GenerationRequest.objects.exists()

    def test_another_content_type(self, as_alice: APIClient) -> None:
        failed(as_alice.post("/api/requests", b"prompt=x", content_type="text/plain"), 415, "VALIDATION_ERROR")

    def test_a_body_that_is_too_large(self, as_alice: APIClient, settings: Any) -> None:
        settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
        failed(as_alice.post("/api/requests", {"prompt": "x" * 2000}), 413, "VALIDATION_ERROR")

    def test_nobody(self, as_nobody: APIClient) -> None:
        failed(as_nobody.post("/api/requests", {"prompt": "x"}), 401, "UNAUTHORIZED")
        assert not GenerationRequest.objects.exists()

    def test_statements(self, as_alice: APIClient, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(14):
            as_alice.post("/api/requests", {"prompt": "x"})


class TestList:
    def test_own_newest_first_with_the_total(self, as_alice: APIClient, alice: User, bob: User) -> None:
        ids = [make_request(alice).id for _ in range(3)]
        make_request(bob)
        response = as_alice.get("/api/requests")
        assert [request["id"] for request in data(response)] == ids[::-1]
        assert response["X-Total-Count"] == "3"

    def test_pages(self, as_alice: APIClient, alice: User) -> None:
        ids = [make_request(alice).id for _ in range(5)][::-1]
        pages = [data(as_alice.get("/api/requests", {"limit": 2, "offset": offset})) for offset in (0, 2, 4, 6)]
        assert [[request["id"] for request in page] for page in pages] == [ids[:2], ids[2:4], ids[4:], []]

    def test_twenty_unless_told_otherwise(self, as_alice: APIClient, alice: User) -> None:
        for _ in range(21):
            make_request(alice)
        assert len(data(as_alice.get("/api/requests"))) == 20

    @pytest.mark.parametrize(
        "query",
        [
            "limit=0",
            "limit=101",
            "limit=-1",
            "limit=x",
            "limit=",
            "limit=1.5",
            "limit=٣",
            "offset=-1",
            "offset=x",
            "offset=9999999999",
        ],
    )
    def test_bad_pages(self, as_alice: APIClient, query: str) -> None:
        found = failed(as_alice.get(f"/api/requests?{query}"), 400, "VALIDATION_ERROR")
        assert query.partition("=")[0] in found["details"]

    @pytest.mark.parametrize("rows", [1, 7])
    def test_statements_do_not_grow_with_rows(
        self, as_alice: APIClient, alice: User, django_assert_num_queries: Any, rows: int
    ) -> None:
        for _ in range(rows):
            make_request(alice, status="COMPLETED")
        with django_assert_num_queries(7):  # person, count, requests, images with jobs, models, their facts, decisions
            page = data(as_alice.get("/api/requests"))
        assert len(page) == rows
        assert page[0]["model"]["modelUrl"].startswith("http://testserver/files/~")

    def test_nobody(self, as_nobody: APIClient) -> None:
        failed(as_nobody.get("/api/requests"), 401, "UNAUTHORIZED")


class TestRetrieve:
    def test_the_whole_object(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice, status="COMPLETED")
        found = data(as_alice.get(f"/api/requests/{request.id}"))
        assert set(found) == REQUEST_KEYS
        assert found["selectedImageIndex"] == 0
        assert found["images"][0]["imageUrl"].endswith("/image-0.png")
        assert found["images"][0]["completedAt"] is not None
        model = found["model"]
        assert (model["requestId"], model["sourceImageId"]) == (request.id, found["images"][0]["id"])
        assert model["generationJob"] == {"id": model["generationJob"]["id"], "status": "COMPLETED", "progress": 100}

    def test_file_urls_need_no_header_and_end_in_the_name(
        self, as_alice: APIClient, as_nobody: APIClient, alice: User
    ) -> None:
        request = make_request(alice, status="COMPLETED")
        url = data(as_alice.get(f"/api/requests/{request.id}"))["images"][0]["imageUrl"]
        response = as_nobody.get(url)
        assert (response.status_code, response["Content-Type"]) == (200, "image/png")
        assert b"".join(response.streaming_content) == b"content"

    @pytest.mark.parametrize(
        ("language", "sentence"), [("en", "The service that"), ("en-GB,en;q=0.9,zh;q=0.5", "The service that")]
    )
    def test_errors_are_sentences_without_the_vendors_words(
        self, as_alice: APIClient, alice: User, language: str, sentence: str
    ) -> None:
        request = make_request(alice, status="IMAGE_FAILED", error_code="UNAVAILABLE")
        ImageGenerationJob.objects.update(error_text="503 from https://vendor.test/ key sk-123")
        response = as_alice.get(f"/api/requests/{request.id}", headers={"accept-language": language})
        assert data(response)["errorMessage"].startswith(sentence)
        assert data(response)["images"][0]["errorMessage"].startswith(sentence)
        assert b"vendor.test" not in response.content

    def test_another_person_and_nobody(self, as_bob: APIClient, as_nobody: APIClient, alice: User) -> None:
        request = make_request(alice)
        failed(as_bob.get(f"/api/requests/{request.id}"), 404, "NOT_FOUND")
        failed(as_nobody.get(f"/api/requests/{request.id}"), 401, "UNAUTHORIZED")

    @pytest.mark.parametrize("request_id", ["x", "0" * 36, "x" * 300, "%00", "猫"])
    def test_unknown_ids(self, as_alice: APIClient, request_id: str) -> None:
        failed(as_alice.get(f"/api/requests/{request_id}"), 404, "NOT_FOUND")

    def test_statements(self, as_alice: APIClient, alice: User, django_assert_num_queries: Any) -> None:
        request = make_request(alice, status="COMPLETED")
        with django_assert_num_queries(6):
            as_alice.get(f"/api/requests/{request.id}")


class TestVerbs:
    def test_cancel(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice)
        found = data(as_alice.post(f"/api/requests/{request.id}/cancel"))
        assert (found["status"], found["phase"]) == ("CANCELLED", "IMAGE_GENERATION")
        failed(as_alice.post(f"/api/requests/{request.id}/cancel"), 409, "INVALID_STATE")

    def test_retry(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice, status="IMAGE_FAILED")
        assert data(as_alice.post(f"/api/requests/{request.id}/retry"))["status"] == "IMAGE_PENDING"
        failed(as_alice.post(f"/api/requests/{request.id}/retry"), 409, "INVALID_STATE")

    def test_delete(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice, status="COMPLETED")
        assert data(as_alice.delete(f"/api/requests/{request.id}")) is None
        failed(as_alice.get(f"/api/requests/{request.id}"), 404, "NOT_FOUND")
        assert not GeneratedImage.objects.exists()

    @pytest.mark.parametrize(("method", "verb"), [("post", "/cancel"), ("post", "/retry"), ("delete", "")])
    def test_not_for_others(self, as_bob: APIClient, as_nobody: APIClient, alice: User, method: str, verb: str) -> None:
        request = make_request(alice, status="IMAGE_FAILED" if verb == "/retry" else "IMAGE_PENDING")
        path = f"/api/requests/{request.id}{verb}"
        failed(getattr(as_bob, method)(path), 404, "NOT_FOUND")
        failed(getattr(as_nobody, method)(path), 401, "UNAUTHORIZED")
        before = request.status
        request.refresh_from_db()
        assert request.status == before

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("put", "/api/requests"),
            ("patch", "/api/requests/x"),
            ("get", "/api/requests/x/cancel"),
            ("get", "/api/models"),
        ],
    )
    def test_other_methods(self, as_alice: APIClient, method: str, path: str) -> None:
        failed(getattr(as_alice, method)(path), 405, "METHOD_NOT_ALLOWED")


class TestChoose:
    def test_the_model_at_once(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        found = data(as_alice.post("/api/models", {"requestId": request.id, "imageIndex": 3}), 201)
        assert found["message"]
        model = found["model"]
        assert (model["requestId"], model["visibility"], model["source"]) == (request.id, "PRIVATE", "AI_GENERATED")
        assert (model["modelUrl"], model["completedAt"], model["generationJob"]["status"]) == (None, None, "PENDING")
        assert data(as_alice.get(f"/api/requests/{request.id}"))["status"] == "MODEL_PENDING"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"requestId": "{id}"},
            {"imageIndex": 0},
            {"requestId": "{id}", "imageIndex": 4},
            {"requestId": "{id}", "imageIndex": -1},
            {"requestId": "{id}", "imageIndex": "0"},
            {"requestId": "{id}", "imageIndex": 1.5},
            {"requestId": "{id}", "imageIndex": True},
            {"requestId": "{id}", "imageIndex": None},
            {"requestId": 5, "imageIndex": 0},
            {"requestId": "", "imageIndex": 0},
            {"requestId": "x" * 37, "imageIndex": 0},
        ],
    )
    def test_bad_input(self, as_alice: APIClient, alice: User, body: dict[str, Any]) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        if body.get("requestId") == "{id}":
            body = {**body, "requestId": request.id}
        failed(as_alice.post("/api/models", body), 400, "VALIDATION_ERROR")
        assert not Model.objects.exists()

    def test_unknown_or_anothers_request(self, as_alice: APIClient, as_bob: APIClient, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        failed(as_bob.post("/api/models", {"requestId": request.id, "imageIndex": 0}), 404, "NOT_FOUND")
        failed(as_alice.post("/api/models", {"requestId": "unknown", "imageIndex": 0}), 404, "NOT_FOUND")

    def test_wrong_state_already_chosen_image_not_finished(self, as_alice: APIClient, alice: User) -> None:
        early = make_request(alice, status="IMAGE_GENERATING")
        failed(as_alice.post("/api/models", {"requestId": early.id, "imageIndex": 0}), 409, "INVALID_STATE")
        request = make_request(alice, status="IMAGE_COMPLETED")
        request.images.filter(index=1).update(status="FAILED")
        failed(as_alice.post("/api/models", {"requestId": request.id, "imageIndex": 1}), 409, "INVALID_STATE")
        data(as_alice.post("/api/models", {"requestId": request.id, "imageIndex": 0}), 201)
        failed(as_alice.post("/api/models", {"requestId": request.id, "imageIndex": 0}), 409, "CONFLICT")

    def test_nobody(self, as_nobody: APIClient) -> None:
        failed(as_nobody.post("/api/models", {"requestId": "x", "imageIndex": 0}), 401, "UNAUTHORIZED")


class TestUpload:
    def post(self, client: APIClient, **body: Any) -> Any:
        return client.post("/api/requests/upload", body, format="multipart")

    def test_own_picture_waits_for_the_choice(self, as_alice: APIClient) -> None:
        found = data(self.post(as_alice, file=SimpleUploadedFile("my cat.png", png()), prompt="my thing"), 201)
        request = found["request"]
        assert (request["status"], request["phase"], request["prompt"]) == (
            "IMAGE_COMPLETED",
            "AWAITING_SELECTION",
            "my thing",
        )
        assert len(request["images"]) == 4
        assert request["images"][0]["imageUrl"].endswith("/image-0.png")
        assert [image["imageStatus"] for image in request["images"]] == ["COMPLETED", "FAILED", "FAILED", "FAILED"]
        data(as_alice.post("/api/models", {"requestId": request["id"], "imageIndex": 0}), 201)

    def test_without_words_the_files_name_is_the_prompt(self, as_alice: APIClient) -> None:
        found = data(self.post(as_alice, file=SimpleUploadedFile("my cat.png", png())), 201)
        assert found["request"]["prompt"] == "my cat"

    def test_bad_input(self, as_alice: APIClient, settings: Any) -> None:
        failed(self.post(as_alice), 400, "VALIDATION_ERROR")
        failed(self.post(as_alice, file="text"), 400, "VALIDATION_ERROR")
        failed(self.post(as_alice, file=SimpleUploadedFile("a.png", b"nonsense")), 400, "VALIDATION_ERROR")
        failed(self.post(as_alice, file=SimpleUploadedFile("a.png", png()), prompt="x" * 501), 400, "VALIDATION_ERROR")
        settings.MAX_IMAGE_UPLOAD_BYTES = 10
        failed(self.post(as_alice, file=SimpleUploadedFile("a.png", png())), 413, "VALIDATION_ERROR")
        failed(as_alice.post("/api/requests/upload", {"file": "x"}), 415, "VALIDATION_ERROR")
        assert not GenerationRequest.objects.exists()

    def test_nobody(self, as_nobody: APIClient) -> None:
        failed(self.post(as_nobody, file=SimpleUploadedFile("a.png", png())), 401, "UNAUTHORIZED")
