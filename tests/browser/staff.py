"""Staff who use the admin in a real browser. Whatever a page complains of, or loads from elsewhere, is written down."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

from tests.journeys.stack import ROOT, Stack
from tests.services import BROWSERS, program

WIDTHS = {1440: 900, 390: 844}  # a desk's and a telephone's
PASSWORD = "correct horse battery staple"
GRAPHICS = ["--use-angle=swiftshader", "--enable-unsafe-swiftshader"]  # WebGL without a graphics card
SCREENSHOTS = ROOT / "var" / "screenshots" / (os.environ.get("LUMI_TEST_PASS") or "here")
AXE = {"resultTypes": ["violations"], "preload": False}  # else it fetches style sheets anew, from wrong addresses
MAKE_STAFF = """
import json, sys
from django.contrib.auth.models import Group
from lumi.accounts.models import User
for email, role in json.loads(sys.argv[1]).items():
    person = User.objects.create_user(email, {password!r}, name=role, is_staff=True)
    person.groups.add(Group.objects.get(name=role))
"""


def make_staff(stack: Stack, people: dict[str, str]) -> None:
    """Accounts for the admin, by e-mail the role of each."""
    code = f"import sys; sys.argv = ['', {json.dumps(people)!r}]\n" + MAKE_STAFF.format(password=PASSWORD)
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", code]
    subprocess.run(command, cwd=ROOT, env=stack.environment, check=True, stdin=subprocess.DEVNULL)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's, without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program(*BROWSERS), args=["--no-sandbox", "--disable-quic", *GRAPHICS]
        )
        yield browser
        browser.close()


class Desk:
    """One member of staff at one browser."""

    def __init__(self, browser: Browser, stack: Stack, width: int = 1440) -> None:
        self.stack, self.width = stack, width
        self.context = browser.new_context(
            viewport={"width": width, "height": WIDTHS[width]}, locale="en-GB", base_url=stack.url
        )
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.page.on("console", self.on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self.on_request)

    def on_console(self, message: ConsoleMessage) -> None:
        """Errors and warnings are complaints; also what the Content-Security-Policy has stopped."""
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text} ({self.page.url})")

    def on_request(self, request: Request) -> None:
        """Nothing comes from anywhere else."""
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != urlsplit(self.stack.url).netloc:
            self.complaints.append(f"asked another host: {request.url} ({self.page.url})")

    def sign_in(self, email: str) -> None:
        """By the form."""
        self.page.goto("/admin/login/")
        self.page.fill("[name=username]", email)
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("[type=submit]")
        self.page.wait_for_url("**/admin/")

    def open(self, path: str) -> Page:
        """A page, wholly loaded."""
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"
        self.page.wait_for_load_state("load")
        return self.page

    def keep(self, name: str) -> Path:
        """A picture of the whole page, kept for people to look at."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}-{self.width}.png"
        self.page.screenshot(path=path, full_page=True)
        return path

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def barriers(self) -> list[str]:
        """What axe finds serious: of each rule the first three places."""
        found = Axe().run(self.page, options=AXE).response["violations"]
        serious = [each for each in found if each["impact"] in ("serious", "critical")]
        return [f"{each['id']}: {[node['html'][:160] for node in each['nodes'][:3]]}" for each in serious]
