"""The admin's page of costs, and what jobs, requests and calls show of money."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from generation import spending
from generation.models import ImageGenerationJob, ProviderCall
from lumi.accounts.models import User
from tests.factories import make_request, make_user
from tests.generation.conftest import turn_to_the_end

pytestmark = pytest.mark.django_db

NOVEMBER = spending.Month(2026, 11)
CALLS = "admin:generation_providercall_changelist"


def desk_of(user: User) -> Client:
    """A person in a browser, speaking English."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(user)
    return client


@pytest.fixture
def desk(db: None) -> Client:
    """Of somebody who may do everything."""
    return desk_of(make_user("boss@example.com", is_staff=True, is_superuser=True))


@pytest.fixture
def november(alice: User, bob: User) -> None:
    """Four calls in November 2026, one before and one after."""
    begins, ends = NOVEMBER.begins, NOVEMBER.ends
    spent = [
        ("aliyun", alice.pk, "2.5", begins), ("aliyun", bob.pk, "0.5", begins), ("tencent", bob.pk, "1.5", begins),
        ("tencent", "gone", "0.25", ends - timedelta(seconds=1)), ("aliyun", alice.pk, "100", ends),
        ("aliyun", alice.pk, "100", begins - timedelta(seconds=1)),
    ]  # fmt: skip
    for number, (provider, owner, cost, at) in enumerate(spent):
        ProviderCall.objects.create(
            reference=f"call-{number}",
            kind="image",
            job_id="x",
            provider=provider,
            owner_id=owner,
            cost=cost,
            sent_at=at,
        )


def costs(desk: Client, month: str = "2026-11") -> str:
    """The page."""
    response = desk.get(reverse("admin:generation_providercall_costs"), {"month": month})
    assert response.status_code == 200
    return response.content.decode()


def rows(page: str) -> list[tuple[str, str, str, str]]:
    """Name, calls, cost and the length of the bar, of each line of each table."""
    line = (
        r'<th scope="row">(.*?)</th>\s*<td><a href="[^"]*">(\d+)</a></td>'
        r'\s*<td><a href="[^"]*">(.*?)</a></td>\s*<td><meter min="0" max="100" value="(\d+)">'
    )
    return re.findall(line, page)


@pytest.mark.usefixtures("november")
class TestThePage:
    def test_has_three_tables_with_bars(self, desk: Client) -> None:
        page = costs(desk)
        assert rows(page)[:2] == [("aliyun", "2", "3.0000", "100"), ("tencent", "2", "1.7500", "58")]
        assert rows(page)[2:5] == [
            ("alice@example.com", "1", "2.5000", "100"), ("bob@example.com", "2", "2.0000", "80"),
            ("gone", "1", "0.2500", "10"),
        ]  # fmt: skip
        assert rows(page)[5:] == [("Nov. 1, 2026", "3", "4.5000", "100"), ("Nov. 30, 2026", "1", "0.2500", "6")]
        assert "4.7500 CNY" in page

    def test_each_number_leads_to_the_calls_that_it_is_the_sum_of(self, desk: Client) -> None:
        page = costs(desk)
        cells = re.findall(r'<td><a href="([^"]*)">(\d+)</a></td>\s*<td><a href="([^"]*)">([\d.]+)</a></td>', page)
        assert len(cells) == 7
        for calls_link, number, cost_link, cost in cells:
            assert calls_link == cost_link
            found = desk.get(unescape(calls_link)).context["cl"].result_list
            assert len(found) == int(number)
            assert f"{sum(call.cost for call in found):.4f}" == cost

    def test_the_total_does_so_too(self, desk: Client) -> None:
        (link,) = re.findall(r'<a href="([^"]*)">4</a> ·', costs(desk))
        assert len(desk.get(unescape(link)).context["cl"].result_list) == 4

    def test_shows_how_much_of_a_budget_is_used(self, desk: Client, settings: Any) -> None:
        settings.BUDGETS = {"aliyun": 4, "idle": 1}
        page = costs(desk)
        assert "<td>75 % / 4.00</td>" in page
        assert ("idle", "0", "0.0000", "0") in rows(page)

    def test_any_month_can_be_picked(self, desk: Client) -> None:
        page = costs(desk, "2026-10")
        assert rows(page)[0] == ("aliyun", "1", "100.0000", "100")
        options = re.findall(r"<option(?: selected)?>(.*?)</option>", page)
        assert {"2026-10", "2026-11"} <= set(options)
        assert "<option selected>2026-10</option>" in page

    def test_statements_do_not_grow_with_people(self, desk: Client, django_assert_max_num_queries: Any) -> None:
        for number in range(20):
            owner = make_user(f"many{number}@example.com")
            ProviderCall.objects.create(
                reference=f"many-{number}", kind="llm", job_id="x", provider=f"p{number}", owner_id=owner.pk, cost=1,
                sent_at=NOVEMBER.begins,
            )  # fmt: skip
        with django_assert_max_num_queries(9):
            costs(desk)

    def test_has_no_script_of_its_own(self, desk: Client) -> None:
        assert "<script>" not in costs(desk)
        assert " onclick" not in costs(desk)


class TestWhoMayLook:
    @pytest.mark.parametrize(("may", "status"), [("view_providercall", 200), ("view_generationrequest", 403)])
    def test_whoever_may_see_calls(self, may: str, status: int) -> None:
        person = make_user("viewer@example.com", is_staff=True)
        person.user_permissions.add(Permission.objects.get(codename=may))
        response = desk_of(person).get(reverse("admin:generation_providercall_costs"))
        assert response.status_code == status

    def test_nobody_else(self, alice: User) -> None:
        assert desk_of(alice).get(reverse("admin:generation_providercall_costs")).status_code == 302

    @pytest.mark.parametrize("month", ["november", "", "2026-13", "9999-12", "2026-11' OR 1=1"])
    def test_a_month_that_is_none(self, desk: Client, month: str) -> None:
        response = desk.get(reverse("admin:generation_providercall_costs"), {"month": month})
        assert response.status_code == 400

    def test_this_month_without_a_word(self, desk: Client) -> None:
        page = desk.get(reverse("admin:generation_providercall_costs")).content.decode()
        assert f"<option selected>{spending.this_month()}</option>" in page


class TestCalls:
    def test_lead_to_the_costs(self, desk: Client) -> None:
        assert reverse("admin:generation_providercall_costs") in desk.get(reverse(CALLS)).content.decode()

    @pytest.mark.usefixtures("november")
    @pytest.mark.parametrize(
        ("words", "number"),
        [("bob@example.com", 2), ("BOB@Example.com ", 2), ("nobody@example.com", 0), ("call-0", 1), ("bob", 0)],
    )
    def test_are_found_by_their_owners_address(self, desk: Client, words: str, number: int) -> None:
        assert desk.get(reverse(CALLS), {"q": words}).context["cl"].result_count == number

    @pytest.mark.usefixtures("november")
    def test_show_their_owners(self, desk: Client, django_assert_max_num_queries: Any) -> None:
        with django_assert_max_num_queries(12):
            page = desk.get(reverse(CALLS)).content.decode()
        assert page.count("alice@example.com") == 3
        assert '<td class="field-owner">gone</td>' in page


class TestJobs:
    def test_show_what_they_cost(self, desk: Client, alice: User, settings: Any) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        request = make_request(alice)
        turn_to_the_end()
        job = ImageGenerationJob.objects.earliest("pk")
        page = desk.get(reverse("admin:generation_imagegenerationjob_change", args=[job.pk])).content.decode()
        assert page.count("0.2500 CNY") == 2  # the call and the sum
        page = desk.get(reverse("admin:generation_generationrequest_change", args=[request.pk])).content.decode()
        assert "1.0000 CNY" in page
