"""What a live run costs is printed before the first order, and one that would cost too much orders nothing."""

import pytest

from tests.live.accounts import MOST, Vendor, bill, most, total, vendors


def pytest_configure(config: pytest.Config) -> None:
    """A word of these tests alone."""
    config.addinivalue_line("markers", "costs: orders something at a real vendor")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The network is open to these tests alone, and to those only that are not skipped."""
    for item in items:
        if (vendor := vendor_of(item)) and not vendor.obstacle:
            item.add_marker("enable_socket")


def pytest_report_collectionfinish(items: list[pytest.Item]) -> list[str]:
    """The bill, where anything is ordered."""
    return bill(customers(items))


@pytest.fixture(params=vendors(), ids=str)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Each vendor in turn; skipped with the reason where it cannot be asked."""
    found: Vendor = request.param
    if found.obstacle:
        pytest.skip(found.obstacle)
    if request.node.get_closest_marker("costs") and total(customers(request.session.items)) > most():
        pytest.skip(f"the orders of this run would cost more than {MOST} allows")
    return found


def customers(items: list[pytest.Item]) -> list[Vendor]:
    """The vendors that something is ordered at."""
    found = [vendor_of(item) for item in items if item.get_closest_marker("costs")]
    return [vendor for vendor in found if vendor and not vendor.obstacle]


def vendor_of(item: pytest.Item) -> Vendor | None:
    """The vendor that a test is about."""
    call = getattr(item, "callspec", None)
    vendor = call.params.get("vendor") if call else None
    return vendor if isinstance(vendor, Vendor) else None
