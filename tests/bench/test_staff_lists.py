"""Every list of the staff, and every other page of theirs, over a few hundred rows: what it asks of the database may
not grow with the tables. The bench beside it (`make bench-staff`) measures the same pages over 100 000."""

from collections.abc import Iterator

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.test import Client

from tests.bench.looking import Look, Statement, look_at
from tests.bench.pages import Page, all_pages, lists, staff_client

pytestmark = pytest.mark.django_db

MOST_QUERIES = 20  # of a list
MOST_OF_A_PERSON = 30  # their page tells of everything that is theirs
NOTHING_TO_SEE = (404, 405)  # a model without files has no view in 3D; some pages are only posted to
# Tables whose rows are few whatever happens: a page of theirs may count them.
SMALL = {
    "auth_group", "auth_permission", "breakers", "django_content_type", "filter_rules", "otp_static_staticdevice",
    "otp_totp_totpdevice", "provider_gates", "queue_pauses",
}  # fmt: skip


@pytest.fixture
def client() -> Client:
    """Staff, before a few hundred rows of every kind."""
    call_command("create_demo_data", models=150, people=120, jobs=400, reports=60, pictures=0, seed=1)
    return staff_client()


@pytest.fixture
def looks(client: Client) -> Iterator[Look]:
    """All pages, each opened once it is known and once more: the first time fills caches of a process."""
    return (look_at(client, page, 2) for page in list(all_pages(client)))


def test_every_page_opens_in_less_than_twenty_queries_and_reads_no_whole_table(looks: Iterator[Look]) -> None:
    seen = list(looks)
    faults = [fault for look in seen for fault in faults_of(look)]
    assert not faults, "\n".join(faults)
    assert len(seen) > 100


def test_every_list_is_among_the_pages(client: Client) -> None:
    names = {page.name for page in lists(client)}
    assert {model._meta.model_name for model in admin.site._registry} <= names


def faults_of(look: Look) -> Iterator[str]:
    """What would not do at 100 000 rows, with the page's name."""
    if look.code >= 400 and look.code not in NOTHING_TO_SEE:
        yield f"{look.page.name}: HTTP {look.code} at {look.page.address}"
    if len(look.statements) >= (MOST_OF_A_PERSON if "accounts_user_change" in look.page.name else MOST_QUERIES):
        yield f"{look.page.name}: {len(look.statements)} queries"
    for statement in look.statements:
        if statement.counts_whole and statement.counts_whole not in SMALL:
            yield f"{look.page.name}: counts all of {statement.counts_whole}"
        if statement.is_distinct:
            yield f"{look.page.name}: {statement.sql}"


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("SELECT COUNT(*) AS `__count` FROM `models`", "models"),
        ('SELECT COUNT(*) AS "__count" FROM "models"', "models"),
        (
            "SELECT COUNT(*) AS `__count` FROM `models` INNER JOIN `users` ON (`models`.`owner_id` = `users`.`id`)",
            "models",
        ),
        ('SELECT COUNT(*) FROM (SELECT 1 AS "a" FROM "models" LIMIT 2000) subquery', ""),
        ('SELECT COUNT(*) AS "__count" FROM "models" WHERE "models"."owner_id" = %s', ""),
    ],
)
def test_a_count_of_a_whole_table_is_recognised(sql: str, table: str) -> None:
    assert Statement(sql, ()).counts_whole == table


@pytest.mark.parametrize(
    ("sql", "is_distinct"),
    [
        ('SELECT DISTINCT "models"."format" FROM "models"', True),
        ('SELECT COUNT(DISTINCT "models"."owner_id") FROM "models"', True),
        ('SELECT "models"."id" FROM "models"', False),
    ],
)
def test_a_search_for_distinct_values_is_recognised(sql: str, is_distinct: bool) -> None:
    assert Statement(sql, ()).is_distinct == is_distinct


def test_what_is_wrong_with_a_page_is_told() -> None:
    look = Look(Page("models", "/admin/"), code=500, statements=[Statement("SELECT DISTINCT x", ())] * MOST_QUERIES)
    told = " ".join(faults_of(look))
    assert "HTTP 500" in told
    assert "20 queries" in told
    assert "SELECT DISTINCT" in told
