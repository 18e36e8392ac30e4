"""The staff's front page: what each role sees, where every number leads, what it costs; and the menu."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gallery.models import Report
from generation.models import Breaker, ImageGenerationJob, ProviderCall, QueuePause
from lumi import roles
from lumi.accounts.models import User
from lumi.dashboard import Chart, Figure, Point, Tone, span
from tests.factories import make_model, make_request, make_user

FRONT = "/admin/"
JOB_CARDS = ["queues", "outcomes", "providers", "spend"]
GALLERY_CARDS = ["moderation", "published"]


def desk_of(*names: str) -> Client:
    """Somebody of these roles in a browser, speaking English."""
    person = make_user(is_staff=True)
    for name in names:
        person.groups.add(Group.objects.get(name=name))
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    return client


@pytest.fixture
def desk(db: None) -> Client:
    """Of an administrator, who is no superuser."""
    return desk_of(roles.ADMINISTRATOR)


@pytest.fixture
def busy(alice: User, bob: User) -> None:
    """Something to count for every number."""
    make_request(alice)
    make_request(alice, status="IMAGE_GENERATING")
    make_request(bob, status="MODEL_FAILED")
    make_request(bob, status="COMPLETED")
    model = make_model(alice, public=True, review_since=timezone.now())
    Report.objects.create(model=model, reporter=bob, reason="SPAM")
    make_model(bob, public=True, moderation="HIDDEN")
    now = timezone.now()
    for number, job in enumerate(ImageGenerationJob.objects.filter(stage="ENDED")):
        ended = {"ended_at": now - timedelta(minutes=25 * number), "provider": "second", "duration_ms": 1000}
        ImageGenerationJob.objects.filter(pk=job.pk).update(**ended)
        ProviderCall.objects.create(
            reference=job.reference, kind="image", job_id=job.pk, provider="offline", cost="0.25"
        )
    failed = ImageGenerationJob.objects.filter(stage="ENDED").order_by("-ended_at").values_list("pk", flat=True)[1:3]
    ImageGenerationJob.objects.filter(pk__in=list(failed)).update(status="FAILED", error_code="OUTCOME_UNKNOWN")
    Breaker.objects.create(kind="image", provider="aliyun", operation="submit", open_until=now)
    QueuePause.objects.create(kind="model", paused_by="Somebody")


def cards_of(client: Client) -> list[str]:
    """The names of the cards on the page."""
    return re.findall(r'id="card-([a-z-]+)"', client.get(FRONT).content.decode())


def links_of(page: str) -> list[tuple[str, str]]:
    """Address and text of each link of the cards."""
    cards = page[page.index('id="cards"') :]
    return [(link.replace("&amp;", "&"), text) for link, text in re.findall(r'href="([^"]+)">([^<]*)</a>', cards)]


# --- The page -------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    ("role", "cards"),
    [
        (roles.MODERATOR, [*GALLERY_CARDS, "sign-ups"]),
        (roles.OPERATOR, JOB_CARDS),
        (roles.ADMINISTRATOR, [*JOB_CARDS, *GALLERY_CARDS, "sign-ups"]),
    ],
)
def test_each_role_sees_what_is_its_affair(role: str, cards: list[str]) -> None:
    assert cards_of(desk_of(role)) == cards


@pytest.mark.django_db
def test_staff_without_a_role_are_told_whom_to_ask() -> None:
    assert "An administrator gives you a role" in desk_of().get(FRONT).content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("page", [FRONT, f"{FRONT}?cards"])
def test_nobody_else_sees_any_of_it(page: str, alice: User) -> None:
    client = Client()
    assert client.get(page)["location"].startswith("/admin/login/")
    client.force_login(alice)
    assert client.get(page)["location"].startswith("/admin/login/")


@pytest.mark.usefixtures("busy")
def test_every_number_is_the_length_of_the_list_behind_it(desk: Client) -> None:
    links = links_of(desk.get(FRONT).content.decode())
    counted = 0
    for link, text in dict.fromkeys(links):
        page = desk.get(link)
        assert page.status_code == 200, link
        if text.isdigit() and "cl" in (page.context or {}):
            assert page.context["cl"].result_count == int(text), (link, text)
            counted += text != "0"
    assert counted > 12


@pytest.mark.usefixtures("busy")
def test_it_costs_a_dozen_statements_at_most(desk: Client, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(11):  # session, person and two of permissions; five of jobs, gallery, people
        desk.get(FRONT)
    for _ in range(3):
        make_request(make_user(), status="COMPLETED")
        make_model(make_user(), public=True)
    with django_assert_num_queries(11):
        desk.get(f"{FRONT}?cards")


@pytest.mark.usefixtures("busy")
def test_an_index_narrows_each_of_them(desk: Client) -> None:
    with CaptureQueriesContext(connection) as statements:
        desk.get(FRONT)
    tables = {table for statement in statements for table in read_whole(statement["sql"])}
    assert tables == {"breakers", "queue_pauses"}  # of a few rows each


def read_whole(statement: str) -> set[str]:
    """The tables of which no index could give a part."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            return {
                table for *_, step in cursor.fetchall() for table in re.findall(r"^SCAN (\w+)", step)
            } & real_tables()
        cursor.execute(f"EXPLAIN {statement}")
        return {row[2] for row in cursor.fetchall() if row[4] is None} & real_tables()


def real_tables() -> set[str]:
    """Not what a statement makes for itself."""
    return set(connection.introspection.table_names())


@pytest.mark.usefixtures("busy")
def test_what_the_page_fetches_is_its_cards_alone(desk: Client) -> None:
    page, cards = desk.get(FRONT).content.decode(), desk.get(f"{FRONT}?cards").content.decode()
    assert cards.lstrip().startswith("<section")
    assert "<html" not in cards
    ids = re.findall(r'\bid="([^"]+)"', cards)
    assert len(ids) == len(set(ids))
    assert set(ids) <= set(re.findall(r'\bid="([^"]+)"', page))


@pytest.mark.usefixtures("busy")
def test_it_keeps_to_the_content_security_policy(desk: Client) -> None:
    page = desk.get(FRONT).content.decode()
    assert not re.search(r'\s(style|on[a-z]+)="', page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert "/static/lumi/front.js" in page


def test_a_new_installation_is_told_what_to_do_first(desk: Client) -> None:
    assert cards_of(desk)[0] == "first-steps"
    page = desk.get(FRONT).content.decode()
    assert "manage.py doctor" in page
    assert 'href="/docs"' in page


@pytest.mark.usefixtures("busy")
def test_one_that_works_is_not(desk: Client) -> None:
    assert "first-steps" not in cards_of(desk)


@pytest.mark.usefixtures("busy")
def test_a_chart_says_in_words_what_it_shows(desk: Client) -> None:
    page = desk.get(FRONT).content.decode()
    assert "models published: 1</desc>" in page
    assert page.count("<title id=") == page.count('role="img"') == 3


# --- The menu -------------------------------------------------------------------------------------------------------


def menu_of(client: Client, page: str = FRONT) -> dict[str, list[str]]:
    """Groups and the addresses in them."""
    groups = client.get(page).context["available_apps"]
    return {group["app_label"]: [one["admin_url"] for one in group["models"]] for group in groups}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "there", "not_there"),
    [
        (roles.MODERATOR, "gallery/model/queue", "generation/providercall/costs"),
        (roles.MODERATOR, "accounts/user", "lumi/auditentry"),
        (roles.OPERATOR, "generation/providercall/costs", "gallery/model/queue"),
        (roles.OPERATOR, "generation/queuepause", "accounts/user"),
    ],
)
def test_the_menu_has_what_the_role_may_see(role: str, there: str, not_there: str) -> None:
    addresses = [address for group in menu_of(desk_of(role)).values() for address in group]
    assert f"/admin/{there}/" in addresses
    assert f"/admin/{not_there}/" not in addresses


def test_the_menu_leads_to_pages_that_are_there(desk: Client) -> None:
    menu = menu_of(desk)
    assert list(menu) == ["moderation", "jobs", "people", "money", "system"]
    assert menu["moderation"][0] == "/admin/gallery/model/queue/"
    assert "/admin/generation/providercall/costs/" in menu["money"]
    assert "/admin/lumi/auditentry/" in menu["system"]
    addresses = [address for group in menu.values() for address in group]
    assert len(addresses) == len(set(addresses))
    assert {address: desk.get(address).status_code for address in addresses} == dict.fromkeys(addresses, 200)


@pytest.mark.parametrize(
    ("page", "entry"),
    [
        ("/admin/gallery/model/", "/admin/gallery/model/"),
        ("/admin/gallery/model/queue/", "/admin/gallery/model/queue/"),
        ("/admin/accounts/user/add/", "/admin/accounts/user/"),
    ],
)
def test_the_menu_marks_where_one_is(desk: Client, page: str, entry: str) -> None:
    marked = re.findall(r'href="(/[^"]+)" aria-current="page"', desk.get(page).content.decode())
    assert set(marked) == {entry}


def test_one_app_is_listed_as_django_lists_it(desk: Client) -> None:
    (app,) = desk.get("/admin/gallery/").context["app_list"]
    assert (app["app_label"], app["app_url"]) == ("gallery", "/admin/gallery/")


# --- What cards are made of -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (0, "0 ms"), (0.85, "850 ms"), (12.44, "12.4 s"), (60, "1 min"), (185, "3 min 5 s"),
     (3600, "1 h"), (7500, "2 h 5 min"), (183_600, "2 d 3 h"), (86_405, "1 d")],
)  # fmt: skip
def test_spans_are_short(seconds: float | None, text: str) -> None:
    said = span(None if seconds is None else timedelta(seconds=seconds))
    assert said.replace("\N{NO-BREAK SPACE}", " ") == text


def chart_of(*stacks: tuple[int, int]) -> Chart:
    """Two stacked numbers a point."""
    points = tuple(Point(str(number), tuple(map(Figure, stack))) for number, stack in enumerate(stacks))
    return Chart("Jobs", "hour", (("good", Tone.OK), ("bad", Tone.BAD)), points)


def test_bars_are_stacked_and_stay_inside_the_chart() -> None:
    chart = chart_of((3, 1), (0, 0), (0, 2))
    bars = list(chart.bars)
    assert [bar.tone for bar in bars] == ["ok", "bad", "bad"]
    assert bars[1].y + bars[1].height == pytest.approx(bars[0].y, abs=0.11)
    assert all(bar.y >= 0 and bar.y + bar.height <= chart.height + 0.11 for bar in bars)
    assert all(bar.x >= 0 and bar.x + bar.width <= chart.width for bar in bars)
    assert (chart.most, chart.said) == (4, "good: 3, bad: 3")


def test_a_chart_of_nothing_has_no_bars() -> None:
    assert not list(chart_of((0, 0)).bars)
    assert not list(chart_of().bars)
