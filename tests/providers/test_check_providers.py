"""`manage.py check_providers` against loopback vendors, and none of their secrets in what it prints."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from providers import registry
from providers.base import Fault, ProviderError
from providers.management.commands import check_providers
from tests.vendors import cases
from tests.vendors.server import Vendor

LISTS = {"llm": "LLM_PROVIDERS", "image": "IMAGE_PROVIDERS", "model": "MODEL_PROVIDERS"}
Vendors = dict[str, Vendor]


@pytest.fixture
def vendors(settings: Any) -> Iterator[Vendors]:
    """A vendor for each provider of the settings, all of which are used; by kind and name."""
    settings.PROVIDER_SECONDS = {"connect": 1.0, "ask": 1.0, "pay": 1.0, "download": 1.0}
    registry.get.cache_clear()
    with ExitStack() as stack:
        running: Vendors = {}
        for kind, setting in LISTS.items():
            setattr(settings, setting, list(settings.PROVIDERS[kind]))
            for name in settings.PROVIDERS[kind]:
                case = case_of(settings.PROVIDERS[kind][name], kind, name)
                if case is not None and name not in running:
                    running[name] = stack.enter_context(case.vendor())
                    for word, value in case.settings(running[name]).items():
                        setattr(settings, word, value)
        yield running
    registry.get.cache_clear()


def case_of(factory: str, kind: str, name: str) -> Any:
    """The case of the suite whose factory the settings name, if it has a wire."""
    module, _, function = factory.rpartition(".")
    for case in cases.cases(kind):
        if case.vendor and (case.make.__module__, case.make.__name__) == (module, function):
            return case
    assert name == "offline", f"no loopback vendor for {kind} {name}"
    return None


def run(*words: str) -> tuple[str, str]:
    """What it prints, and what it fails with."""
    out = StringIO()
    try:
        call_command("check_providers", *words, stdout=out)
    except CommandError as error:
        return out.getvalue(), str(error)
    return out.getvalue(), ""


def found() -> dict[tuple[str, str], dict[str, Any]]:
    """For scripts, by kind and name."""
    return {(one["kind"], one["provider"]): one for one in json.loads(run("--json")[0])}


def test_all_is_well(vendors: Vendors, settings: Any) -> None:
    rows = found()
    assert set(rows) == {(kind, name) for kind in LISTS for name in settings.PROVIDERS[kind]}
    assert all(row["ok"] and row["said"] and row["ms"] is not None for row in rows.values()), rows
    assert run()[1] == ""


def test_nothing_is_paid_for(vendors: Vendors) -> None:
    run()
    assert [charge for vendor in vendors.values() for charge in vendor.charges] == []


def test_a_wrong_key_and_what_to_do(vendors: Vendors) -> None:
    vendors["aliyun"].will("check", "bad_key", times=None)
    rows = found()
    for kind in ("image", "model"):
        row = rows[kind, "aliyun"]
        assert (row["ok"], row["fault"], row["hint"]) == (
            False, "AUTHENTICATION", check_providers.HINTS[Fault.AUTHENTICATION],
        )  # fmt: skip
    assert rows["llm", "offline"]["ok"]
    printed, error = run()
    assert "2 of " in error
    assert "image aliyun, model aliyun" in error
    assert "AUTHENTICATION" in printed


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"url": "http://127.0.0.1:1"}, "NETWORK"),
        ({"key": ""}, "AUTHENTICATION"),
        ({"key": "no\nkey"}, "AUTHENTICATION"),
        ({"edition": "turbo"}, "CONFIGURATION"),
    ],
)
def test_what_is_wrong_with_the_settings(vendors: Vendors, settings: Any, change: dict[str, str], fault: str) -> None:
    settings.TENCENT = settings.TENCENT | change
    row = found()["model", "tencent"]
    assert (row["ok"], row["fault"]) == (False, fault)
    assert row["hint"]


def test_a_vendor_that_hangs_holds_nobody_up(vendors: Vendors, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(check_providers, "PATIENCE", -0.5)
    monkeypatch.setattr(registry.get("image", "siliconflow"), "check", lambda: over.wait(60))
    rows = found()
    over.set()
    row = rows["image", "siliconflow"]
    assert (row["ok"], row["said"], row["ms"]) == (False, "no answer in time", None)
    assert rows["image", "offline"]["ok"]


def test_a_secret_that_a_vendor_quotes_is_not_printed(
    vendors: Vendors, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TOKENHUB = settings.TOKENHUB | {"key": "canary of no known form"}
    quote = ProviderError(Fault.AUTHENTICATION, evidence="401 there is no canary of no known form\x1b[2J here")

    def refuse() -> str:
        raise quote

    monkeypatch.setattr(registry.get("model", "tokenhub"), "check", refuse)
    for printed, _ in (run(), run("--json")):
        assert "canary" not in printed
        assert "\x1b" not in printed
        assert "there is no …" in printed


def test_a_bug_in_an_adapter_is_a_finding(vendors: Vendors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.get("model", "meshy"), "check", lambda: {}["bug"])
    assert found()["model", "meshy"]["fault"] == "CONFIGURATION"


def test_every_fault_has_a_hint() -> None:
    about_jobs = {Fault.CONTENT_REFUSED, Fault.JOB_LOST, Fault.JOB_FAILED, Fault.RESULT_GONE}
    assert set(check_providers.HINTS) == set(Fault) - about_jobs
