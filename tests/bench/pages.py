"""Every page that staff can open, found by asking the admin itself: a list that is registered is measured, and so are
its filters, searches, orders and further pages, and the pages of its rows."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, reverse

from lumi.accounts.models import User

MOST_CHOICES = 12  # of one filter
WORDS = ("猫", "dragon", "no such thing")
CHANGING = (
    "add",
    "delete",
    "login",
    "logout",
    "password_change",
    "password_change_done",
    "jsi18n",
    "autocomplete",
    "view_on_site",
)


class Page(NamedTuple):
    """What it is, and where."""

    name: str
    address: str


def staff_client(**options: Any) -> Client:
    """Somebody who may see everything, in English."""
    email = "bench-staff@example.com"
    user = User.objects.filter(email=email).first() or User.objects.create_superuser(email)
    client = Client(headers={"accept-language": "en"}, SERVER_NAME="localhost", **options)
    client.force_login(user)
    return client


def all_pages(client: Client) -> Iterator[Page]:
    """All of them, each once."""
    yield Page("front page", reverse("admin:index"))
    seen = set()
    for page in chain(lists(client), others()):
        if page.address not in seen:
            seen.add(page.address)
            yield page


# --- Lists ------------------------------------------------------------------------------------------------------------


def lists(client: Client) -> Iterator[Page]:
    """Every list that is registered, in all its ways."""
    for model, desk in admin.site._registry.items():
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for way, query in ways(client, desk, address):
            yield Page(f"{model._meta.model_name}: {way}" if way else model._meta.model_name, address + query)


def ways(client: Client, desk: Any, address: str) -> Iterator[tuple[str, str]]:
    """The list as it is, and with each of its filters, searches, orders and pages."""
    yield "", ""
    answer = client.get(address)
    shown = (getattr(answer, "context_data", None) or {}).get("cl")
    if shown is None:
        return
    for spec in shown.filter_specs:
        yield from choices_of(spec, shown)
    if shown.search_fields:
        yield from ((f"search {word[:20]}", f"?q={word}") for word in (*WORDS, *words_of(desk.model)))
    for number, name in enumerate(shown.list_display):
        if shown.get_ordering_field(name):
            yield f"ordered by {name}", f"?o={number}"
    if shown.paginator.num_pages > 1:
        yield "last page", f"?p={shown.paginator.num_pages}"
    if shown.date_hierarchy:
        yield "this year", f"?{shown.date_hierarchy}__year={User.objects.latest('created_at').created_at.year}"


def choices_of(spec: Any, shown: Any) -> Iterator[tuple[str, str]]:
    """What can be chosen in a filter."""
    for choice in list(spec.choices(shown))[:MOST_CHOICES]:
        if choice.get("query_string", "?") != "?" and not choice.get("selected"):
            yield f"{spec.title} = {choice['display']}", choice["query_string"]


def words_of(model: Any) -> list[str]:
    """What somebody looks for who has a row before them: its id, its owner, its name at the provider."""
    row = typical(model)
    names = ("pk", "owner_id", "user_id", "email", "job_id", "provider_job_id", "reference", "subject_id")
    found = [str(getattr(row, name, "") or "") for name in names] if row else []
    person = User.objects.filter(is_staff=False).order_by("pk").last()
    return list(dict.fromkeys(word for word in (*found, person.email if person else "") if word))


def typical(model: Any) -> Any:
    """A row from the middle of the table, if it has any; the first one of a small table."""
    rows = model._default_manager.order_by("pk")
    return rows[200:201].first() if rows[200:201].exists() else rows.first()


# --- Other pages ------------------------------------------------------------------------------------------------------


def others() -> Iterator[Page]:
    """The pages of rows, and whatever else the desks have added to the site."""
    for model, desk in admin.site._registry.items():
        row = typical(model)
        for pattern in desk.get_urls():
            yield from page_of(pattern, f"{model._meta.model_name}", row)
    for label in sorted({model._meta.app_label for model in admin.site._registry}):
        yield Page(f"app {label}", reverse("admin:app_list", args=[label]))
    for pattern in admin.site.get_urls():
        if isinstance(pattern, URLPattern):
            yield from page_of(pattern, "site", None)


def page_of(pattern: URLPattern, owner: str, row: Any) -> Iterator[Page]:
    """Where a pattern leads, unless it changes something or there is no row to show."""
    name, wanted = pattern.name or "", list(pattern.pattern.converters)
    if not name or name.endswith(CHANGING) or len(wanted) > 1 or (wanted and row is None):
        return
    if pattern.pattern.regex.groups > len(wanted):  # a regular expression of the site's own, see `others`
        return
    yield Page(f"{owner}: page {name}", reverse(f"admin:{name}", args=[row.pk] if wanted else []))
