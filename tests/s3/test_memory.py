"""Large files pass through Lumi without ever being whole in memory: on their way in, to the storage and out of it."""

import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.test import RequestFactory

from gallery import actions as gallery
from generation.kinds import ModelKind
from generation.models import ModelGenerationJob
from lumi import disk, files
from lumi.accounts.models import User
from providers import results
from providers.base import FileRole, ResultFile
from tests.chaos.servers import wait_for
from tests.factories import make_request
from tests.journeys.stack import ROOT
from tests.s3.conftest import Storages, variables_of
from tests.s3.server import Store
from tests.services import answers

pytestmark = pytest.mark.django_db
MEGABYTE = 1024 * 1024
LARGE = 100 * MEGABYTE
LITTLE = 20 * MEGABYTE  # two parts of an upload, and some
KEY = "models/a/b/cat.stl"


def peak_of(call: Callable[..., Any], *arguments: Any, **options: Any) -> int:
    """How many bytes of memory a call takes at most."""
    tracemalloc.start()
    try:
        call(*arguments, **options)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A large file."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(LARGE)
    return path


@pytest.fixture
def bucket(settings: Any, storages_of: Storages) -> Iterator[None]:
    """A store in a process of its own, whose memory is not ours."""
    store = Store()
    command = [sys.executable, "-m", "tests.s3.server", "--port", str(store.port)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: answers(("127.0.0.1", store.port)), 60, "the store answers")
            settings.STORAGES = storages_of(variables_of(store))
            yield
        finally:
            process.kill()


class Endless(BaseHTTPRequestHandler):
    """Whatever is asked for is large."""

    def do_GET(self) -> None:
        """A hundred times the same megabyte."""
        self.send_response(200)
        self.send_header("Content-Length", str(LARGE))
        self.end_headers()
        block = bytes(MEGABYTE)
        for _ in range(LARGE // MEGABYTE):
            self.wfile.write(block)

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def vendor(settings: Any) -> Iterator[str]:
    """Where a large result lies."""
    settings.RESULTS_FROM_LOOPBACK = True
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/model.glb"
        server.shutdown()
        thread.join()


def test_fetching(vendor: str, tmp_path: Path) -> None:
    path = tmp_path / "result"
    assert peak_of(results.download, vendor, path, hosts=(), most=LARGE) < LITTLE
    assert path.stat().st_size == LARGE


def test_saving_on_the_disk(large: Path) -> None:
    assert peak_of(files.save, large, KEY) < LITTLE
    assert default_storage.size(KEY) == LARGE


@pytest.mark.usefixtures("bucket")
def test_saving_in_a_bucket_and_reading_from_it(large: Path) -> None:
    assert not default_storage.exists(KEY)  # boto's own tables are loaded by now
    assert peak_of(files.save, large, KEY) < LITTLE
    assert default_storage.size(KEY) == LARGE
    with default_storage.open(KEY) as file:
        assert peak_of(file.seek, 0) < LITTLE  # this is where it is fetched


def test_serving_from_the_disk(large: Path) -> None:
    files.save(large, KEY)

    def served() -> None:
        response = disk.serve(default_storage, str(files.url(KEY)).removeprefix("/files/"), RequestFactory().get("/"))
        assert sum(map(len, response)) == LARGE
        response.close()

    assert peak_of(served) < LITTLE


def test_a_model_and_its_library(alice: User, tmp_path: Path) -> None:
    make_request(alice, status="MODEL_PENDING")
    job = ModelGenerationJob.objects.with_context().get()
    mesh, library = tmp_path / "model.obj", tmp_path / "model.mtl"
    mesh.write_bytes(b"v 0.12345 0.23456 0.34567\n" * MEGABYTE + b"mtllib material.mtl\nusemtl m\n")
    library.write_bytes(b"newmtl m\n")
    found = [ResultFile(role=FileRole.OBJ, path=mesh), ResultFile(role=FileRole.MTL, path=library)]
    assert peak_of(ModelKind().keep, job, found) < 4 * MEGABYTE
    assert mesh.read_bytes().endswith(b"mtllib a-small-cat.mtl\nusemtl m\n")


def test_an_upload(alice: User) -> None:
    """The mesh itself is read by a process with bounds of its own."""
    faces = 900_000
    with TemporaryUploadedFile("cat.stl", "model/stl", 84 + 50 * faces, None) as upload:
        upload.file.write(bytes(80) + faces.to_bytes(4, "little"))
        upload.file.truncate(upload.size)
        upload.seek(0)
        assert peak_of(gallery.upload, owner=alice, file=upload) < LITTLE
