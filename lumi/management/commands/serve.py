"""`manage.py serve`: Lumi over HTTP; with the `memory://` transport the worker and the beat in the same process."""

import errno
import fcntl
import logging
import os
import signal
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from waitress import create_server, wasyncore

from lumi.api.parsers import ENVELOPE_BYTES
from lumi.embedded import EmbeddedWorker, recover
from lumi.refusals import Channel
from lumi.wsgi import application

LOOP_SECONDS = 1.0
HTTP_STOP_SECONDS = 10.0
WORKER_STOP_SECONDS = 20.0
SHARED_DATABASE = "Another Lumi is already running with the data in {folder}. Stop it first, or set LUMI_DATA_DIR."
# `$$` makes the address a new one in each terminal. The code is read from the folder of mails where there is one.
TRY_IT = """\
Try it: these three lines, in another terminal.
  curl -s {url}/api/auth/send-code -H 'Content-Type: application/json' -d '{{"email":"you'$$'@example.com","type":"REGISTER"}}'
  TOKEN=$(curl -s {url}/api/auth/register -H 'Content-Type: application/json' -d '{{"email":"you'$$'@example.com","code":"'{code}'"}}' | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
  curl -s {url}/api/requests -H "Authorization: $TOKEN" -H 'Content-Type: application/json' -d '{{"prompt":"a small cat"}}'
"""  # noqa: E501
ELSEWHERE = (
    "  worker  not here: `celery -A lumi worker --pool threads` and `celery -A lumi beat` are their own processes"
)
NEWEST_CODE = "$(sed -n 's/^X-Lumi-Code: //p' '{folder}'/*.eml | tail -n 1)"
MAILED_CODE = "the-code-from-the-mail"


class Command(BaseCommand):
    """Serve until SIGINT or SIGTERM, then stop cleanly."""

    help = "Serve Lumi over HTTP; without Redis the worker and the clock run in the same process."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
        port = int(os.environ.get("PORT") or 8000)
        parser.add_argument("--port", type=int, default=port, help="port to listen on (default: $PORT or 8000)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Listen, make ready, serve, stop."""
        http = HttpServer(options["host"], options["port"])
        worker = self.start_worker() if settings.EMBEDDED_WORKER else None
        self.greet(http.url)
        http.serve_while(worker.alive if worker else lambda: True)
        self.stop(http, worker)

    def start_worker(self) -> EmbeddedWorker:
        """This process is the only one, so it may do what otherwise is a step of its own: migrate and recover."""
        self.lock = lock_data_folder()
        call_command("migrate", verbosity=0, interactive=False)
        recover()
        worker = EmbeddedWorker()
        worker.start()
        return worker

    def greet(self, url: str) -> None:
        """Say where everything is."""
        self.stdout.write(f"Lumi is ready. Ctrl-C stops it; unfinished work goes on at the next start.\n{places(url)}")
        if settings.EMBEDDED_WORKER:
            self.stdout.write(f"  worker  in this process ({settings.WORKER_THREADS} threads)")
        else:
            self.stdout.write(ELSEWHERE)
        self.stdout.write(TRY_IT.format(url=url, code=code_in_shell()))
        self.stdout.flush()

    def stop(self, http: "HttpServer", worker: EmbeddedWorker | None) -> None:
        """HTTP first, so that nothing new comes in; then the worker, within its time."""
        died = worker is not None and not worker.alive()
        self.stdout.write("Stopping: finishing what is in flight (Ctrl-C again: at once).")
        self.stdout.flush()
        http.finish()
        if worker and not worker.stop(WORKER_STOP_SECONDS):
            self.stdout.write("Some work was not finished in time; it goes on at the next start.")
            leave_now(0)
        if died:
            raise CommandError("The worker in this process has ended unexpectedly; see the log above.")
        connections.close_all()
        self.stdout.write("Stopped.")


class HttpServer:
    """waitress, with a stop that lets answers out: its own `run` would drop what is being written."""

    def __init__(self, host: str, port: int) -> None:
        self.stopping = False
        self.channels: dict[int, Any] = {}
        self.server = listen(host, port, self.channels)
        self.url = f"http://{shown_host(host)}:{self.server.effective_port}"

    def serve_while(self, healthy: Callable[[], bool]) -> None:
        """Serve until a signal comes, or the rest of the process is no longer healthy."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.on_signal)
        while not self.stopping and healthy():
            self.turn()

    def on_signal(self, number: int, frame: object) -> None:
        """The first asks to stop, the second insists."""
        if self.stopping:
            leave_now(128 + number)
        self.stopping = True
        self.server.pull_trigger()  # wakes the loop

    def turn(self) -> None:
        """One turn of the loop."""
        wasyncore.loop(timeout=LOOP_SECONDS, map=self.channels, count=1, use_poll=True)

    def finish(self) -> None:
        """Take no more connections, and let out the answers that are on their way."""
        wasyncore.dispatcher.close(self.server)
        until = time.monotonic() + HTTP_STOP_SECONDS
        while any(busy(channel) for channel in self.server.active_channels.values()) and time.monotonic() < until:
            self.turn()
        self.server.task_dispatcher.shutdown(timeout=1)


def listen(host: str, port: int, channels: dict[int, Any]) -> Any:
    """The listening server. Raises CommandError with a sentence when the address cannot be had."""
    try:
        server = create_server(
            application,
            map=channels,
            host=host,
            port=port,
            threads=settings.WEB_THREADS,
            ident="",
            max_request_body_size=settings.MAX_MODEL_UPLOAD_BYTES
            + ENVELOPE_BYTES,  # the greatest that anybody may send
            # Django reads X-Forwarded-Proto itself, and only where a setting says that a proxy sets it.
            clear_untrusted_proxy_headers=settings.SECURE_PROXY_SSL_HEADER is None,
        )
        server.channel_class = Channel
        return server
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(f"Port {port} is taken. Stop what uses it, or choose another: PORT=8001.") from None
        raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from None
    except ValueError:
        raise CommandError(f"Cannot listen on {host}:{port}: no such address.") from None


def busy(channel: Any) -> bool:
    """Whether a request is being answered on this connection, or its answer is not out yet."""
    return bool(channel.requests or channel.total_outbufs_len)


def shown_host(host: str) -> str:
    """The host as it can be typed into a browser on this machine."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104  compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def places(url: str) -> str:
    """The addresses and folders."""
    mail = f"{settings.EMAIL_FILE_PATH} (and shown here)" if mails_are_files() else settings.EMAIL_HOST
    pages = {"API": f"{url}/api", "docs": f"{url}/docs", "admin": f"{url}/admin/"}
    lines = pages | {"mails": mail, "data": str(settings.DATA_DIR)}
    return "\n".join(f"  {name:<7} {place}" for name, place in lines.items())


def mails_are_files() -> bool:
    """Whether mails go to a folder of this machine."""
    return settings.EMAIL_BACKEND.endswith("FolderBackend")


def code_in_shell() -> str:
    """How a shell comes by the code."""
    return NEWEST_CODE.format(folder=settings.EMAIL_FILE_PATH) if mails_are_files() else MAILED_CODE


def lock_data_folder() -> IO[str]:
    """Held as long as the process lives: two embedded workers would release each other's work."""
    lock = (settings.DATA_DIR / "serve.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CommandError(SHARED_DATABASE.format(folder=settings.DATA_DIR)) from None
    return lock


def leave_now(code: int) -> None:
    """End the process without waiting for threads. Rows are the truth: the next start goes on from them."""
    logging.shutdown()
    os._exit(code)
