"""`manage.py check_providers`: sign in at every vendor that is used, by the cheapest call there is, at no cost."""

import json
import threading
import time
from argparse import ArgumentParser
from dataclasses import asdict, dataclass
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich import box
from rich.console import Console
from rich.table import Table

from providers import registry
from providers.base import Fault, ProviderError

KINDS = ("llm", "image", "model")
PATIENCE = 10.0  # seconds for what no time-out of the wire bounds, such as the lookup of a name
WIDE = 200  # columns where there is no terminal: nothing is cut

HINTS = {
    Fault.AUTHENTICATION: "the key is missing, wrong, of another site, or may not do this",
    Fault.QUOTA_EXHAUSTED: "no balance or allowance is left: top the account up",
    Fault.RATE_LIMITED: "the vendor asks for a pause: try again in a minute",
    Fault.BUSY: "all of the account's places are taken: try again later",
    Fault.UNAVAILABLE: "the vendor is down, or has trouble: try again later",
    Fault.NETWORK: "it cannot be reached from here: look at its URL, at the DNS and the firewall",
    Fault.BAD_ANSWER: "whoever answers is not the vendor, or speaks otherwise than it should: look at its URL",
    Fault.INVALID_INPUT: "the vendor does not know this call: look at its URL and at the model's name",
}


@dataclass
class Finding:
    """What is known of one provider."""

    kind: str
    provider: str
    product: str = ""
    ok: bool = False
    fault: str = ""
    said: str = "no answer in time"
    hint: str = HINTS[Fault.NETWORK]
    ms: int | None = None

    def look(self) -> None:
        """Ask the provider. Called in a thread of its own."""
        began = time.monotonic()
        try:
            provider = registry.get(self.kind, self.provider)
            self.product = provider.product
            said = provider.check()
        except ProviderError as error:
            self.fault, self.said, self.hint = error.fault.value, error.evidence, HINTS.get(error.fault, "")
        except Exception as error:  # noqa: BLE001  an adapter that cannot be made is a finding, too
            self.fault, self.said, self.hint = "CONFIGURATION", repr(error), "manage.py check says more"
        else:
            self.ok, self.said, self.hint = True, said, ""
        self.ms = round((time.monotonic() - began) * 1000)

    def told(self) -> dict[str, Any]:
        """For whoever reads it: without any secret of ours, wherever it came from."""
        return {name: without_secrets(value) for name, value in asdict(self).items()}


def without_secrets(value: Any) -> Any:
    """Vendors like to quote a key that they refuse."""
    if isinstance(value, str):
        for secret in secrets():
            value = value.replace(secret, "…")
    return value


def secrets() -> list[str]:
    """All keys of the accounts that are used."""
    names = {name for kind in KINDS for name in registry.listed(kind)}
    accounts = [account for name in names if isinstance(account := getattr(settings, name.upper(), None), dict)]
    return [account[part] for account in accounts for part in ("id", "key") if account.get(part)]


def look_at_all() -> list[Finding]:
    """All at once, each in its time. A thread that hangs does not keep the process."""
    found = [Finding(kind, name) for kind in KINDS for name in registry.listed(kind)]
    threads = [threading.Thread(target=one.look, daemon=True) for one in found]
    for thread in threads:
        thread.start()
    until = time.monotonic() + settings.PROVIDER_SECONDS["ask"] + PATIENCE
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return found


class Command(BaseCommand):
    """Exit code 1 unless all answer as they should."""

    help = "Signs in at every provider that the settings use, at no cost, and says what is wrong where that fails."
    requires_system_checks = []  # what they find is found here, too

    def add_arguments(self, parser: ArgumentParser) -> None:
        """For whom it is printed."""
        parser.add_argument("--json", action="store_true", help="print JSON, for scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, print, and say how many fail."""
        found = [one.told() for one in look_at_all()]
        if options["json"]:
            self.stdout.write(json.dumps(found, ensure_ascii=False, indent=2))
        else:
            self.print_table(found)
        failed = [f"{one['kind']} {one['provider']}" for one in found if not one["ok"]]
        if failed:
            raise CommandError(f"{len(failed)} of {len(found)} fail: {', '.join(failed)}")

    def print_table(self, found: list[dict[str, Any]]) -> None:
        """For people."""
        columns = ("kind", "provider", "product", "result", "ms", "says", "what to do")
        table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
        for one in found:
            ms = "" if one["ms"] is None else str(one["ms"])
            words = (one["kind"], one["provider"], one["product"], "ok" if one["ok"] else one["fault"] or "FAILED")
            table.add_row(*words, ms, plain(one["said"]), one["hint"])
        page = StringIO()
        width = None if self.stdout.isatty() else WIDE
        Console(file=page, width=width, markup=False, highlight=False).print(table)
        self.stdout.write(page.getvalue())


def plain(text: str) -> str:
    """What a vendor wrote cannot steer a terminal."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
