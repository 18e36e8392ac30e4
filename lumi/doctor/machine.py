"""This machine and its settings: Python, Django's checks, the disk, static files, fonts, mail."""

import shutil
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.checks import ERROR, WARNING, run_checks
from django.core.mail import EmailMessage, get_connection
from django.utils.module_loading import import_string
from rich.filesize import decimal

from lumi.accounts.models import User
from lumi.doctor.findings import Finding, doubtful, fine, skipped, wrong

OLDEST_PYTHON = (3, 11)
LITTLE, TOO_LITTLE = 2 * 1024**3, 256 * 1024**2  # bytes
FONTS = {"manimgx_fonts": "NotoEmoji[wght].ttf", "manimgx_fonts_cjk": "NotoSansCJK-VF.otf.ttc"}
STATIC = "admin/css/base.css"
LONGEST = 160  # characters of what Django says
SPOOLED_FOR = 60  # seconds; the sweep takes such files up
NO_HTTPS = ("Lumi does not know that it is served over HTTPS.", "Set LUMI_HTTPS=true.")
OURS = dict.fromkeys(("security.W004", "security.W008", "security.W012", "security.W016"), NO_HTTPS) | {
    "security.W018": ("Debug pages are shown to strangers.", "Set LUMI_DEBUG=false."),
    "security.W020": ("No host is allowed.", "Set LUMI_ALLOWED_HOSTS."),
}
PROBED_ELSEWHERE = {"database", "redis", "storage"}
MENDING = {
    "providers": "`manage.py jobs queues` lists open circuit breakers, `manage.py costs` the budgets.",
    "queues": "`manage.py jobs resume KIND` ends a pause.",
}


def python() -> Finding:
    """Its version."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return wrong(f"Python {version}", "Use Python 3.11 or newer.")
    return fine(f"Python {version}")


def checks() -> Iterator[Finding]:
    """What `manage.py check --deploy` says, in the words of our own settings where it means one of them."""
    found = [one for one in run_checks(include_deployment_checks=True) if not one.is_silenced()]
    ours = {OURS[str(one.id)]: None for one in found if one.id in OURS}  # each once
    yield from (doubtful(says, mend) for says, mend in ours)
    yield from (finding_of(one) for one in found if one.id not in OURS)
    if not found:
        yield fine("`manage.py check --deploy` finds nothing.")


def finding_of(message: Any) -> Finding:
    """One of Django's messages."""
    says = f"{shorten(str(message.msg), LONGEST)} ({message.id})"
    mend = shorten(str(message.hint or "`manage.py check --deploy` says more."), LONGEST)
    if message.level >= ERROR:
        return wrong(says, mend)
    return doubtful(says, mend) if message.level >= WARNING else fine(says)


def secret_key() -> Finding:
    """Whether all machines have the same."""
    kept = settings.DATA_DIR / "secret-key"
    if settings.USES_SQLITE or not kept.exists() or kept.read_text().strip() != settings.SECRET_KEY:
        return fine("The secret key is set, or this machine is the only one.")
    return doubtful("The secret key was made on this machine.", "Set the same LUMI_SECRET_KEY on all machines.")


def disk() -> Finding:
    """Room for data."""
    folder: Path = settings.DATA_DIR
    probe = folder / "tmp"
    probe.mkdir(exist_ok=True)
    free = shutil.disk_usage(folder).free
    says = f"{decimal(free)} are free in {folder}."
    if free < TOO_LITTLE:
        return wrong(says, "Make room, or let LUMI_DATA_DIR name a larger disk.")
    return doubtful(says, "Make room before it is full.") if free < LITTLE else fine(says)


def static_files() -> Finding:
    """What the admin looks like."""
    collected = (Path(settings.STATIC_ROOT) / STATIC).exists()
    if collected or (settings.WHITENOISE_USE_FINDERS and finders.find(STATIC)):
        return fine("Collected." if collected else "Served from the packages: nothing need be collected.")
    return wrong(f"{STATIC} is not there.", "Run `manage.py collectstatic`.")


def fonts() -> Finding:
    """What the offline painter draws with."""
    if "offline" not in settings.IMAGE_PROVIDERS:
        return skipped("The offline painter is not used.")
    lost = [package for package, name in FONTS.items() if not has_file(package, name)]
    if lost:
        return wrong(f"No font in {', '.join(lost)}.", "Run `pip install -r requirements.txt`.")
    return fine("The offline painter has its fonts.")


def has_file(package: str, name: str) -> bool:
    """Whether the package is there, with this file in it."""
    spec = find_spec(package)
    return bool(spec and spec.origin and Path(spec.origin).with_name(name).exists())


def spool() -> Finding:
    """Answers of providers that wait for the database (see docs/operations.md)."""
    folder = settings.DATA_DIR / "spool"
    waiting = [path for path in folder.glob("*.json") if path.stat().st_mtime < time.time() - SPOOLED_FOR]
    aside = list(folder.glob("*.aside"))
    if waiting:
        return doubtful(f"{len(waiting)} answers wait to be written down.", "The sweep writes them: see sweep.")
    if aside:
        return doubtful(f"{len(aside)} answers were put aside.", f"They fit no call. Look at {folder}/*.aside.")
    return fine("No answer waits for the database.")


def providers() -> Finding:
    """Only which: to sign in is another command's."""
    used = {*settings.LLM_PROVIDERS, *settings.IMAGE_PROVIDERS, *settings.MODEL_PROVIDERS}
    if used == {"offline"}:
        return fine("Offline: no key and no network is needed.")
    return skipped(", ".join(sorted(used)), "`manage.py check_providers` signs in at each, at no cost.")


def holding_back() -> Iterator[Finding]:
    """What the rooms' own probes say: breakers, budgets, paused queues."""
    for name, probe in settings.HEALTH_PROBES.items():
        if name not in PROBED_ELSEWHERE:
            told = import_string(probe)()
            said = told if isinstance(told, dict) else {"status": told}
            yield finding_of_probe(name, said)


def finding_of_probe(name: str, said: dict[str, Any]) -> Finding:
    """One of them."""
    if said["status"] != "degraded":
        return fine(f"Nothing holds {name} back.")
    details = "; ".join(" ".join(map(str, one.values())) for one in said.get("detail", ()))
    return doubtful(f"{name}: {details}", MENDING.get(name, "See /health/detailed."))


def staff() -> Finding:
    """Somebody must be able to sign in to the admin."""
    if User.objects.filter(is_superuser=True, is_active=True).exists():
        return fine("There is somebody who may do everything in the admin.")
    return doubtful("Nobody may sign in to the admin.", "Run `manage.py createsuperuser`.")


def mail(to: str = "") -> Finding:
    """Whether the mail server lets us in. A mail is sent only to an address that is given."""
    if settings.EMAIL_BACKEND.endswith("FolderBackend"):
        return skipped(f"Mails are written to {settings.EMAIL_FILE_PATH}.")
    server = get_connection()
    try:
        server.open()
        if to:
            EmailMessage("Lumi", "This is a mail from `manage.py doctor`.", to=[to], connection=server).send()
    finally:
        server.close()
    return fine(f"{settings.EMAIL_HOST} lets us in{' and has taken a mail' if to else ''}.")
