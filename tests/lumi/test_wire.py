"""The manners that scripts and browsers see: HEAD, OPTIONS, CORS, addresses of files, empty settings."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.test import Client
from rest_framework.test import APIClient

from gallery.models import Model
from generation.models import GenerationRequest
from lumi.accounts.models import User
from tests.factories import make_model, make_request

ROOT = Path(__file__).parents[2]
ORIGIN = "https://front.example"


class TestVerbs:
    @pytest.mark.parametrize("path", ["/docs", "/api/openapi"])
    @pytest.mark.parametrize("method", ["post", "options", "delete"])
    def test_what_is_only_read_says_so(self, client: Client, path: str, method: str) -> None:
        response = getattr(client, method)(path)
        assert (response.status_code, response.json()["data"]["code"]) == (405, "METHOD_NOT_ALLOWED")

    @pytest.mark.django_db
    def test_a_head_counts_no_view(self, as_bob: APIClient, alice: User) -> None:
        model = make_model(alice, public=True)
        assert as_bob.head(f"/api/models/{model.id}").status_code == 200
        assert as_bob.get(f"/api/models/{model.id}").json()["data"]["viewCount"] == 1

    def test_health_answers_probes_that_come_by_ip(self, client: Client) -> None:
        response = client.get("/health", headers={"host": "10.1.2.3"})
        assert (response.status_code, response.json()["data"]["status"]) == (200, "ok")

    @pytest.mark.django_db
    def test_an_error_about_the_whole_body_has_a_camel_case_name(self, as_alice: APIClient) -> None:
        found = as_alice.post("/api/requests", [1]).json()["data"]
        assert set(found["details"]) == {"nonFieldErrors"}

    @pytest.mark.django_db
    @pytest.mark.parametrize("prompt", ["\u200b", "\u202e \u2066", "\ufeff"])
    def test_a_prompt_that_nobody_can_see_is_empty(self, as_alice: APIClient, prompt: str) -> None:
        assert as_alice.post("/api/requests", {"prompt": prompt}).status_code == 400
        assert not GenerationRequest.objects.exists()


class TestCors:
    @pytest.fixture(autouse=True)
    def listed(self, settings: Any) -> None:
        settings.CORS_ALLOWED_ORIGINS = [ORIGIN]

    @pytest.mark.parametrize(("origin", "allowed"), [(ORIGIN, ORIGIN), ("https://evil.example", None), ("null", None)])
    def test_only_listed_origins(self, client: Client, origin: str, allowed: str | None) -> None:
        response = client.get("/", headers={"origin": origin})
        assert response.get("Access-Control-Allow-Origin") == allowed
        assert response.get("Access-Control-Allow-Credentials") is None

    def test_preflight_and_what_scripts_may_read(self, client: Client) -> None:
        headers = {
            "origin": ORIGIN,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type,idempotency-key",
        }
        response = client.options("/api/requests", headers=headers)
        assert response.status_code == 200
        assert "idempotency-key" in response["Access-Control-Allow-Headers"]
        exposed = client.get("/", headers={"origin": ORIGIN})["Access-Control-Expose-Headers"]
        assert {"X-Total-Count", "Retry-After", "Idempotency-Replayed"} <= set(exposed.replace(" ", "").split(","))


@pytest.mark.django_db
class TestUpdatedAt:
    """A request moves with everything that is shown in it."""

    @pytest.mark.parametrize(
        ("method", "path", "body"),
        [
            ("patch", "/api/models/{id}", {"name": "new name"}),
            ("post", "/api/models/{id}/publish", None),
            ("delete", "/api/models/{id}", None),
        ],
    )
    def test_with_its_model(self, as_alice: APIClient, alice: User, method: str, path: str, body: Any) -> None:
        request = make_request(alice, status="COMPLETED")
        before = GenerationRequest.objects.get().updated_at
        response = getattr(as_alice, method)(path.format(id=Model.objects.get().id), body)
        assert response.status_code == 200
        assert GenerationRequest.objects.get(pk=request.pk).updated_at > before

    def test_but_not_with_a_look_or_a_like(self, as_alice: APIClient, as_bob: APIClient, alice: User) -> None:
        make_request(alice, status="COMPLETED")
        model = Model.objects.get()
        as_alice.post(f"/api/models/{model.id}/publish")
        before = GenerationRequest.objects.get().updated_at
        as_bob.get(f"/api/models/{model.id}")
        as_bob.post(f"/api/models/{model.id}/like")
        as_bob.post(f"/api/models/{model.id}/download")
        assert GenerationRequest.objects.get().updated_at == before


def in_a_process_with(variables: dict[str, str], code: str, tmp_path: Path) -> str:
    """What Python prints with these settings in its environment."""
    names = ("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL")
    clean = {name: value for name, value in os.environ.items() if name not in names and not name.startswith("LUMI_")}
    env = {**clean, "LUMI_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "lumi.settings", **variables}
    setup = "import django; django.setup()\n"
    command = [sys.executable, "-c", setup + code]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class TestSettings:
    def test_every_setting_may_be_empty(self, tmp_path: Path) -> None:
        lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
        empty = {
            line[1:].partition("=")[0]: ""
            for line in lines
            if line.startswith("#") and line[1:].partition("=")[2].partition("#")[0].strip() == "" and "=" in line
        }
        assert "DATABASE_URL" in empty
        empty.pop("LUMI_DATA_DIR", None)
        code = "from django.core.management import call_command; call_command('check')"
        assert "no issues" in in_a_process_with(empty, code, tmp_path)

    @pytest.mark.parametrize(
        ("variables", "begins"),
        [
            ({"LUMI_S3_PUBLIC_DOMAIN": "cdn.example/lumi"}, "https://cdn.example/lumi/public/models/x/cat.glb"),
            (
                {"LUMI_S3_PUBLIC_DOMAIN": "127.0.0.1:9000/lumi", "LUMI_S3_PUBLIC_PROTOCOL": "http"},
                "http://127.0.0.1:9000/lumi/public/models/x/cat.glb",
            ),
            ({"LUMI_S3_ENDPOINT_URL": "http://127.0.0.1:9000", "LUMI_S3_ADDRESSING": "path"}, "http://127.0.0.1:9000/lumi/public/models/x/cat.glb?"),
        ],
    )  # fmt: skip
    def test_addresses_on_an_object_store(self, tmp_path: Path, variables: dict[str, str], begins: str) -> None:
        keys = {"LUMI_S3_ACCESS_KEY": "a", "LUMI_S3_SECRET_KEY": "b"}
        store = {"LUMI_S3_BUCKET": "lumi", "LUMI_S3_REGION": "us-east-1", **keys}
        code = "from lumi import files; print(files.url('public/models/x/cat.glb'))"
        address = in_a_process_with({**store, **variables}, code, tmp_path)
        assert address.startswith(begins)
        if begins.endswith("?"):
            assert "X-Amz-Signature=" in address
            assert "X-Amz-Expires=604800" in address


def test_the_disk_is_the_storage_of_a_new_machine() -> None:
    assert type(storages["default"]).__name__ == "Disk"


def test_every_setting_is_in_the_example() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', (ROOT / "lumi" / "settings.py").read_text(encoding="utf-8")))
    told = set(re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert read - told == set()
    assert told - read == {"PORT"}


@pytest.mark.parametrize(
    ("variables", "found", "not_found"),
    [
        ({"EMAIL_URL": "smtp://mail.example"}, ["lumi.I001"], ["lumi.W001", "lumi.W002"]),
        ({}, ["lumi.W002"], ["lumi.W001"]),
    ],
)
def test_what_would_quietly_not_work_is_named(
    tmp_path: Path, variables: dict[str, str], found: list[str], not_found: list[str]
) -> None:
    code = (
        "from django.core import checks\n"
        "print([message.id for message in checks.run_checks(include_deployment_checks=True)])"
    )
    printed = in_a_process_with(variables, code, tmp_path)
    assert all(name in printed for name in found)
    assert not any(name in printed for name in not_found)
