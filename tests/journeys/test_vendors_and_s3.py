"""From a sentence to a download with vendors and a store instead of the offline providers and the disk: each speaks its
own protocol on the loopback and checks every signature. What is left of it afterwards is Lumi's own."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import PurePath
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import requests

from tests.journeys.people import Person, sign_up
from tests.journeys.rooms import logs_of, tables_of
from tests.journeys.stack import Stack, next_database, running
from tests.s3.conftest import variables_of
from tests.s3.server import BUCKET, SECRET, Store
from tests.vendors.aliyun import AliyunVendor
from tests.vendors.qwen import QwenVendor
from tests.vendors.tencent import TencentVendor

pytestmark = pytest.mark.journey

DJANGO_KEY = "django-insecure-not-but-long-enough-for-the-signature-of-a-token-0123456789"
TYPES = {
    ".png": "image/png", ".obj": "model/obj", ".mtl": "model/mtl", ".glb": "model/gltf-binary", ".stl": "model/stl",
}  # fmt: skip


class World:
    """Three vendors and a store, each with a secret of its own."""

    def __init__(self, exit_stack: ExitStack) -> None:
        self.store = exit_stack.enter_context(Store())
        self.writer, self.painter, self.builder = QwenVendor(), AliyunVendor(), TencentVendor()
        self.vendors = (self.writer, self.painter, self.builder)
        for number, vendor in enumerate(self.vendors):
            vendor.secret = f"sk-secret-of-vendor-{number}-0123456789"
            exit_stack.enter_context(vendor)

    @property
    def secrets(self) -> list[str]:
        """What must be seen by nobody."""
        return [SECRET, DJANGO_KEY, *(vendor.secret for vendor in self.vendors)]

    @property
    def variables(self) -> dict[str, str]:
        """What makes an installation use them."""
        return variables_of(self.store) | {
            "LUMI_SECRET_KEY": DJANGO_KEY,
            "LUMI_LLM_PROVIDERS": "qwen",
            "LUMI_IMAGE_PROVIDERS": "aliyun",
            "LUMI_MODEL_PROVIDERS": "tencent",
            "LUMI_QWEN_URL": self.writer.api,
            "LUMI_QWEN_API_KEY": self.writer.secret,
            "LUMI_ALIYUN_URL": self.painter.url,
            "LUMI_ALIYUN_API_KEY": self.painter.secret,
            "LUMI_TENCENT_URL": self.builder.url,
            "LUMI_TENCENT_SECRET_ID": self.builder.user,
            "LUMI_TENCENT_SECRET_KEY": self.builder.secret,
            "LUMI_RESULTS_FROM_LOOPBACK": "true",
            "LUMI_IMAGE_POLL_SECONDS": "0.5",
        }

    def is_ours(self, address: str) -> bool:
        """Whether an address is the store's."""
        return address.startswith(f"{self.store.url}/{BUCKET}/")

    def traces_in(self, text: str) -> list[str]:
        """Whatever of the vendors and of our secrets a text shows."""
        addresses = [urlsplit(vendor.url).netloc for vendor in self.vendors]
        return [word for word in (*addresses, "X-Signature", *self.secrets) if word in text]


class Watched(Person):
    """Somebody who keeps all answers."""

    def __init__(self, person: Person) -> None:
        super().__init__(person.stack)
        self.headers = person.headers
        self.answers: list[str] = []
        self.paid: list[int] = []  # what each vendor had been paid for when the model was public
        self.private: set[str] = set()  # addresses that were told before

    def send(self, method: str, path: str, body: Any = None) -> requests.Response:
        """One call."""
        answer = super().send(method, path, body)
        if not path.startswith("http"):
            self.answers.append(answer.text)
        return answer

    @property
    def addresses(self) -> set[str]:
        """All that were ever told."""
        return {text for answer in self.answers for text in texts_in(json.loads(answer)) if text.startswith("http")}


def texts_in(value: Any) -> Iterator[str]:
    """Every text in an answer."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_in(inner)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """The vendors and the store."""
    with ExitStack() as exit_stack:
        yield World(exit_stack)


@pytest.fixture(scope="module")
def stack(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An installation that uses them, beside the one of the other journeys."""
    stack = Stack(tmp_path_factory.mktemp("vendors"))
    stack.environment |= world.variables
    if not stack.embedded:
        broker = next_database(stack.environment["REDIS_URL"])
        own = {"DATABASE_URL": beside(stack.environment["DATABASE_URL"]), "REDIS_URL": broker}
        stack.environment |= own | {"CELERY_BROKER_URL": broker}
    yield from running(stack)


def beside(database: str) -> str:
    """The same server, another database."""
    parts = urlsplit(database)
    return parts._replace(path=f"{parts.path}_vendors").geturl()


@pytest.fixture(scope="module")
def maker(world: World, stack: Stack) -> Watched:
    """Somebody who has a public model."""
    maker = Watched(sign_up(stack))
    request_id = maker.ask_for("一只小猫")
    maker.wait_for(request_id, "IMAGE_COMPLETED")
    model_id = maker.choose(request_id, 1)
    maker.wait_for(request_id, "COMPLETED")
    maker.private = {address for address in maker.addresses if "/models/" in address}
    maker.post(f"/api/models/{model_id}/publish")
    maker.paid = [len(vendor.charges) for vendor in world.vendors]
    for path in ("/api/requests", "/api/models/me", "/api/models/public", f"/api/requests/{request_id}/history"):
        maker.get(path)
    maker.post(f"/api/models/{model_id}/download")
    return maker


def test_each_vendor_was_paid_once(world: World, maker: Watched) -> None:
    assert maker.paid == [1, 4, 1]


def test_the_pictures_were_painted_from_the_designs(world: World, maker: Watched) -> None:
    (request,) = maker.get("/api/requests")
    prompts = [image["imagePrompt"] for image in request["images"]]
    assert len(set(prompts)) == 4
    assert {charge["body"]["input"]["prompt"] for charge in world.painter.charges[:4]} == set(prompts)


def test_all_files_lie_in_the_bucket(world: World, maker: Watched) -> None:
    names = [PurePath(key).name for key in world.store.keys_there if not key.startswith("health/")]
    model = ["一只小猫-preview.png", "一只小猫.glb", "一只小猫.mtl", "一只小猫.obj", "一只小猫.png"]
    assert sorted(names) == sorted([*(f"image-{index}.png" for index in range(4)), *model])
    assert not list((maker.stack.folder / "data" / "files").rglob("*.*"))


def test_every_address_is_the_stores_and_works(world: World, maker: Watched) -> None:
    current = maker.addresses - maker.private
    assert len(current) >= 8
    for address in current:
        assert world.is_ours(address), address
        answer = requests.get(address, timeout=10)
        path = PurePath(unquote(urlsplit(address).path))
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, TYPES[path.suffix])
        assert answer.content


def test_addresses_from_before_it_was_published_open_nothing(maker: Watched) -> None:
    assert maker.private
    assert {requests.get(address, timeout=10).status_code for address in maker.private} == {404}


def test_a_download(world: World, maker: Watched, stack: Stack) -> None:
    (model,) = Person(stack).get("/api/models/public")
    told = Person(stack).post(f"/api/models/{model['id']}/download", {"format": "OBJ"})
    content = requests.get(told["url"], timeout=10).content
    assert (told["fileName"], told["fileSize"]) == ("一只小猫.obj", len(content))
    assert "mtllib 一只小猫.mtl".encode() in content


def test_no_answer_shows_a_vendor_or_a_secret(world: World, maker: Watched) -> None:
    assert world.traces_in("\n".join(maker.answers)) == []


def test_no_table_shows_a_vendors_address_or_a_secret(world: World, maker: Watched) -> None:
    tables = tables_of(maker.stack)
    assert len(tables["image_generation_jobs"]) == 4
    found = {table: world.traces_in(repr(rows)) for table, rows in tables.items()}
    assert {table: traces for table, traces in found.items() if traces} == {}


def test_no_log_shows_a_vendors_address_or_a_secret(world: World, maker: Watched) -> None:
    said = logs_of(maker.stack)
    assert said
    assert world.traces_in(said) == []
    assert re.findall(r"eyJ[\w-]{10,}\.", said) == []  # tokens
    assert "X-Amz-Signature" not in said


def test_what_it_has_cost(maker: Watched) -> None:
    costs: dict[str, float] = {}
    calls = tables_of(maker.stack)["provider_calls"]
    for call in [call for call in calls if call["owner_id"] == maker.get("/api/auth/me")["user"]["id"]]:
        costs[call["provider"]] = costs.get(call["provider"], 0.0) + float(call["cost"])
    assert {name: round(cost, 4) for name, cost in costs.items()} == {"qwen": 0.0014, "aliyun": 0.8, "tencent": 2.4}


def test_deletion_takes_the_files_in_the_bucket(world: World, stack: Stack, maker: Watched) -> None:
    other = sign_up(stack)
    request_id = other.ask_for("a cup")
    images = other.wait_for(request_id, "IMAGE_COMPLETED")["images"]
    keys = {unquote(urlsplit(image["imageUrl"]).path).removeprefix(f"/{BUCKET}/") for image in images}
    assert keys <= set(world.store.keys_there)
    other.call("DELETE", f"/api/requests/{request_id}")
    assert keys.isdisjoint(world.store.keys_there)
