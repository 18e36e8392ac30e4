"""`manage.py demo PROMPT OUT`: the main job once, as a client lives it, against a Lumi of its own.

It starts `manage.py serve` on a free port with data that is thrown away, signs up by the mailed code, sends the prompt,
waits for the pictures, chooses one, waits for the model and downloads everything. It talks HTTP and imports no app.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import requests
import trimesh
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

EMAIL = "demo@example.com"
MODEL_FORMATS = ("OBJ", "GLB", "STL")
COMPANIONS = ("mtlUrl", "textureUrl", "previewImageUrl")
ENDED = {"COMPLETED", "FAILED", "CANCELLED", "IMAGE_FAILED", "MODEL_FAILED"}
START_SECONDS = 60
GIVE_UP_SECONDS = 300
STOP_SECONDS = 30
LOOK_EVERY = 0.3
ADDRESS = re.compile(r"^  API +(http://\S+)/api$", re.MULTILINE)


class Command(BaseCommand):
    """From a sentence to files, once."""

    help = "Run the main job once through the real HTTP API and worker, and write what it made into a folder."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The sentence and the folder."""
        parser.add_argument("prompt", help='what to make, for instance "a small cat"')
        parser.add_argument("out", type=Path, help="the folder for the pictures and the model; made when missing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit code 0 only when everything is there."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        console = Console(highlight=False)
        try:
            with server() as (url, mails):
                run(Client(url, mails), options["prompt"], options["out"], console)
        except DemoError as error:
            raise CommandError(str(error)) from None
        except KeyboardInterrupt:
            raise CommandError("stopped", returncode=130) from None


class DemoError(Exception):
    """A sentence that says what went wrong."""


class RefusedError(DemoError):
    """The server's own sentence about what was asked of it."""


def run(client: "Client", prompt: str, out: Path, console: Console) -> None:
    """The whole road."""
    began = time.monotonic()
    client.sign_up(EMAIL)
    request = client.post("/api/requests", prompt=prompt)["request"]
    with Display(console) as display:
        request = client.wait(request["id"], until=pictures_are_ready, show=display.show)
        client.post("/api/models", requestId=request["id"], imageIndex=first_finished(request))
        request = client.wait(request["id"], until=model_is_ready, show=display.show)
    written = download(client, request, out)
    console.print(table(written, out))
    console.print(size_of(written))
    console.print(f"{time.monotonic() - began:.0f} s from the sentence to the files")


# --- The server -----------------------------------------------------------------------------------------------------


@contextmanager
def server() -> Iterator[tuple[str, Path]]:
    """A Lumi of its own: its address and the folder of its mails. A failure comes with the end of its log."""
    with tempfile.TemporaryDirectory(prefix="lumi-demo-", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "log"
        process = start(Path(folder), log)
        try:
            yield address(process, log), Path(folder) / "mail"
        except RefusedError:
            raise
        except (DemoError, requests.RequestException) as error:
            raise DemoError(f"{error}\nThe end of the server's log:\n{tail(log)}") from None
        finally:
            end(process)


def start(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that Ctrl-C comes to the client, which then ends it."""
    own = {
        "LUMI_DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'lumi.sqlite3'}",
        "CELERY_BROKER_URL": "memory://localhost",
        "LUMI_MODEL_POLL_SECONDS": "1",  # the default suits a vendor; nobody wants to wait in front of a terminal
        "LUMI_TICK_SECONDS": "0.5",
        "LUMI_ALLOWED_HOSTS": "127.0.0.1",
        **dict.fromkeys(("REDIS_URL", "EMAIL_URL", "LUMI_S3_BUCKET", "LUMI_PUBLIC_URL"), ""),
        "LUMI_HTTPS": "false",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "serve", "--port", "0"]
    with log.open("wb") as out:
        return subprocess.Popen(  # noqa: S603  our own program
            command, env=os.environ | own, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )


def address(process: subprocess.Popen[bytes], log: Path) -> str:
    """Its address, once it says so."""
    until = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        if found := ADDRESS.search(log.read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise DemoError("The server did not start.")


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop it cleanly; at once when that takes too long."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path, lines: int = 25) -> str:
    """The last lines."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


# --- The client -----------------------------------------------------------------------------------------------------


class Client:
    """What any client of Lumi does."""

    def __init__(self, url: str, mails: Path) -> None:
        self.url = url
        self.mails = mails
        self.session = requests.Session()
        self.session.trust_env = False  # the server is on this machine: no proxy
        self.session.headers["Accept-Language"] = "en"
        self.until = time.monotonic() + GIVE_UP_SECONDS

    def call(self, method: str, path: str, **body: Any) -> Any:
        """The data of a successful answer. Raises DemoError with the server's sentence otherwise."""
        answer = self.session.request(method, f"{self.url}{path}", json=body or None, timeout=30)
        content = answer.json() if answer.content else {}
        if not answer.ok:
            message = content.get("message") or content.get("data", {}).get("message")
            kind = DemoError if answer.status_code >= 500 else RefusedError
            raise kind(f"{method} {path} answered {answer.status_code}: {message}")
        return content.get("data")

    def get(self, path: str) -> Any:
        """GET."""
        return self.call("GET", path)

    def post(self, path: str, **body: Any) -> Any:
        """POST."""
        return self.call("POST", path, **body)

    def sign_up(self, email: str) -> None:
        """A code by mail, then an account and its token."""
        self.post("/api/auth/send-code", email=email, type="REGISTER")
        account = self.post("/api/auth/register", email=email, code=self.mailed_code(email), name="Demo")
        self.session.headers["Authorization"] = account["token"]

    def mailed_code(self, email: str) -> str:
        """The code in the newest mail to this address: what a person would read there."""
        for path in sorted(self.mails.glob("*.eml"), reverse=True):
            mail = message_from_bytes(path.read_bytes())
            if mail["To"] == email and mail["X-Lumi-Code"]:
                return str(mail["X-Lumi-Code"])
        raise DemoError("No mail with a code came.")

    def wait(self, request_id: str, *, until: Callable[[Any], bool], show: Callable[[Any], None]) -> Any:
        """Look again and again until the request is where it should be. Raises DemoError when it cannot get there."""
        while True:
            request = self.get(f"/api/requests/{request_id}")
            show(request)
            if until(request):
                return request
            if request["status"] in ENDED:
                raise DemoError(f"The request ended as {request['status']}: {request['errorMessage']}")
            if time.monotonic() > self.until:
                raise DemoError(f"Given up after {GIVE_UP_SECONDS} s; the request is {request['status']}.")
            time.sleep(LOOK_EVERY)

    def save(self, url: str, folder: Path, name: str = "") -> Path:
        """Download a file, under its own name unless another is given."""
        answer = self.session.get(url, timeout=60)
        if not answer.ok or not answer.content:
            raise DemoError(f"The file {file_name(url)} could not be downloaded ({answer.status_code}).")
        path = folder / (name or file_name(url))
        path.write_bytes(answer.content)
        return path


def pictures_are_ready(request: Any) -> bool:
    """Whether one can be chosen."""
    return bool(request["status"] == "IMAGE_COMPLETED")


def model_is_ready(request: Any) -> bool:
    """Whether the end of the road is reached."""
    return bool(request["status"] == "COMPLETED")


def first_finished(request: Any) -> int:
    """The first picture that can be chosen."""
    return int(next(image["index"] for image in request["images"] if image["imageStatus"] == "COMPLETED"))


def file_name(url: str) -> str:
    """The real file name at the end of an address."""
    return Path(unquote(urlsplit(url).path)).name


# --- What is shown --------------------------------------------------------------------------------------------------


class Display:
    """Five bars on a terminal; elsewhere a line whenever something changes."""

    def __init__(self, console: Console) -> None:
        self.console = console
        columns = (TextColumn("{task.description:<10}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
        self.progress = Progress(*columns, TextColumn("{task.fields[state]}"), TimeElapsedColumn(), console=console)
        self.bars: dict[str, TaskID] = {}
        self.shown: dict[str, tuple[str, int]] = {}

    def __enter__(self) -> "Display":
        if self.console.is_terminal:
            self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop() if self.console.is_terminal else None

    def show(self, request: Any) -> None:
        """The state of the four pictures and the model."""
        for image in request["images"]:
            self.update(f"picture {image['index']}", image["imageStatus"], progress_of(image, image["imageStatus"]))
        if model := request["model"]:
            job = model["generationJob"] or {"status": "COMPLETED"}
            self.update("model", job["status"], progress_of(model, job["status"]))

    def update(self, name: str, state: str, percent: int) -> None:
        """One line or bar, when it has changed."""
        if self.shown.get(name) == (state, percent):
            return
        self.shown[name] = (state, percent)
        if not self.console.is_terminal:
            self.console.print(f"{name}: {state} {percent} %")
            return
        if name not in self.bars:
            self.bars[name] = self.progress.add_task(name, total=100, state=state)
        self.progress.update(self.bars[name], completed=percent, state=state.lower())


def progress_of(thing: Any, status: str) -> int:
    """0..100, by the provider's word."""
    if status == "COMPLETED":
        return 100
    return int((thing["generationJob"] or {}).get("progress") or 0)


# --- What is written ------------------------------------------------------------------------------------------------


def download(client: Client, request: Any, out: Path) -> list[Path]:
    """All files of the request. Raises DemoError when one of them is not there."""
    out.mkdir(parents=True, exist_ok=True)
    pictures = [image for image in request["images"] if image["imageUrl"]]
    written = [client.save(image["imageUrl"], out, f"image-{image['index']}.png") for image in pictures]
    if len(written) != len(request["images"]):
        raise DemoError(f"Only {len(written)} of the {len(request['images'])} pictures were finished.")
    model = client.get(f"/api/models/{request['model']['id']}")
    links = [client.post(f"/api/models/{model['id']}/download", format=each)["url"] for each in MODEL_FORMATS]
    written += [client.save(link, out) for link in links]
    if absent := [name for name in COMPANIONS if not model[name]]:
        raise DemoError(f"The model has no {', '.join(absent)}.")
    written += [client.save(model[name], out) for name in COMPANIONS]
    record = out / "request.json"
    record.write_text(json.dumps(request, ensure_ascii=False, indent=2) + "\n")
    return [*written, record]


def table(written: list[Path], out: Path) -> Table:
    """What was written, with sizes."""
    made = Table("file", "size", title=f"written to {out}")
    made.columns[1].justify = "right"
    for path in written:
        made.add_row(path.name, decimal(path.stat().st_size))
    return made


def size_of(written: list[Path]) -> str:
    """The model's measures, from the STL itself."""
    stl = next(path for path in written if path.suffix == ".stl")
    mesh = trimesh.load_mesh(stl)
    width, depth, height = mesh.extents
    tight = "watertight" if mesh.is_watertight else "NOT watertight"
    return (
        f"The model: {width:.1f} x {depth:.1f} x {height:.1f} mm, {len(mesh.faces)} faces, {tight}, "
        f"bodies: {count_bodies(mesh)}"
    )


def count_bodies(mesh: trimesh.Trimesh) -> int:
    """Faces that touch are one body. trimesh counts them too, but needs SciPy for it."""
    left, right = mesh.face_adjacency.T
    labels, before = np.arange(len(mesh.faces)), None
    while before is None or (labels != before).any():
        before = labels.copy()
        lower = np.minimum(labels[left], labels[right])
        np.minimum.at(labels, left, lower)
        np.minimum.at(labels, right, lower)
        labels = labels[labels]  # follow each label to its own label: long chains shrink by halves
    return len(np.unique(labels))
