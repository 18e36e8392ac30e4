"""What the contract suite runs over: one `Case` for each provider that there is. A vendor's file in this folder names
its own in CASES; nothing else has to be told of a new one."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import tests.vendors
from providers.base import FileRole
from tests.vendors.server import Vendor


@dataclass(frozen=True, kw_only=True)
class Case:
    """One provider and its vendor.

    `settings`: what makes the provider speak to this vendor, by the name of the setting. `make`: the factory that the
    settings name. `roles`: what a success consists of. `refused_at`: where the vendor refuses a content: "submit" or
    "poll". `lacks`: words of the suite that this vendor does not know, each with the reason. `vendor` None: there is no
    wire (the offline providers).
    """

    name: str
    kind: str
    make: Callable[[], Any]
    roles: frozenset[FileRole] = frozenset()
    vendor: Callable[[], Vendor] | None = None
    settings: Callable[[Any], dict[str, Any]] = lambda vendor: {}
    refused_at: str = "submit"
    lacks: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def all_cases() -> list[Case]:
    """Of all vendors, and of the offline providers."""
    names = sorted(module.name for module in pkgutil.iter_modules(tests.vendors.__path__))
    modules = [importlib.import_module(f"tests.vendors.{name}") for name in names]
    return [case for module in modules for case in getattr(module, "CASES", ())]


def cases(*kinds: str) -> list[Case]:
    """Those of some kinds."""
    return [case for case in all_cases() if case.kind in kinds]
