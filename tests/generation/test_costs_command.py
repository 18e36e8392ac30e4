"""`manage.py costs`, and what the other commands and the health page say of money."""

import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from generation import pipeline, spending
from generation.models import ImageGenerationJob, ProviderCall
from lumi.accounts.models import User
from tests.factories import make_request
from tests.generation.accidents import model_job
from tests.generation.conftest import turn_to_the_end
from tests.generation.shell import jobs, script
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


def costs(*words: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command("costs", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


def costs_json(*words: str) -> Any:
    """The same for scripts."""
    return json.loads(costs(*words, "--json"))


@pytest.fixture
def november(alice: User, bob: User) -> None:
    """Three calls in November 2026, one before."""
    begins = spending.Month(2026, 11).begins
    lines = [
        ("scripted", "image", "work", alice.pk, "0.2", begins),
        ("scripted", "llm", "words", bob.pk, "0.001883", begins + timedelta(days=2)),
        ("second", "model", "credit", "somebody who is gone", "2.4", begins + timedelta(days=2)),
        ("second", "model", "credit", bob.pk, "1000", begins - timedelta(days=1)),
    ]
    for number, (provider, kind, product, owner, cost, at) in enumerate(lines):
        ProviderCall.objects.create(
            reference=str(number), kind=kind, job_id="x", provider=provider, product=product, owner_id=owner,
            cost=Decimal(cost), sent_at=at,
        )  # fmt: skip


@pytest.mark.usefixtures("november")
class TestSums:
    def test_by_provider_with_its_budget(self, settings: Any) -> None:
        settings.BUDGETS = {"second": 3, "third": 10}
        found = costs_json("--month", "2026-11")
        assert found == {
            "month": "2026-11",
            "currency": "CNY",
            "calls": 3,
            "cost": "2.601883",
            "provider": [
                {"provider": "second", "calls": 1, "cost": "2.400000", "budget": "3", "usedPercent": 80},
                {"provider": "scripted", "calls": 2, "cost": "0.201883", "budget": None, "usedPercent": None},
                {"provider": "third", "calls": 0, "cost": "0.000000", "budget": "10", "usedPercent": 0},
            ],
        }

    def test_by_product(self) -> None:
        found = costs_json("--month", "2026-11", "--by", "product")["product"]
        assert [(row["provider"], row["kind"], row["product"], row["cost"]) for row in found] == [
            ("second", "model", "credit", "2.400000"),
            ("scripted", "image", "work", "0.200000"),
            ("scripted", "llm", "words", "0.001883"),
        ]

    def test_by_person(self, alice: User) -> None:
        found = costs_json("--month", "2026-11", "--by", "person")["person"]
        assert [row["person"] for row in found] == ["", "alice@example.com", "bob@example.com"]
        assert [row["id"] for row in found][:2] == ["somebody who is gone", alice.pk]

    def test_by_day(self) -> None:
        found = costs_json("--month", "2026-11", "--by", "day")["day"]
        assert [(row["day"], row["calls"], row["cost"]) for row in found] == [
            ("2026-11-01", 1, "0.200000"), ("2026-11-03", 2, "2.401883"),
        ]  # fmt: skip

    @pytest.mark.parametrize("by", ["provider", "product", "person", "day"])
    def test_for_people(self, by: str) -> None:
        printed = costs("--month", "2026-11", "--by", by)
        assert printed.splitlines()[-1] == "2026-11: 3 calls, 2.6019 CNY"
        assert by in printed.splitlines()[1]
        assert "0.20" in printed

    def test_a_month_without_calls(self) -> None:
        assert costs("--month", "2020-02") == "2020-02: 0 calls, 0.0000 CNY\n"
        assert costs_json("--month", "2020-02", "--by", "person")["person"] == []

    @pytest.mark.parametrize("words", [["--month", "november"], ["--month", "2026-13"], ["--by", "colour"]])
    def test_a_typing_mistake_is_not_silence(self, words: list[str]) -> None:
        with pytest.raises(CommandError):
            costs(*words)


def test_this_month_unless_told_otherwise(alice: User) -> None:
    ProviderCall.objects.create(reference="1", kind="image", job_id="x", provider="scripted", cost=1)
    assert costs_json()["month"] == str(spending.this_month())
    assert costs().splitlines()[-1].endswith(": 1 calls, 1.0000 CNY")


class TestOtherCommands:
    @pytest.fixture(autouse=True)
    def prices(self, settings: Any) -> None:
        """Of the scripted vendors."""
        settings.PRICES = {"scripted:work": 0.25, "scripted:words:out": 4000}

    def test_show_names_the_cost_of_each_call_of_the_job_and_of_its_request(self, alice: User, builder: Vendor) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        pipeline.select_image(owner=alice, request_id=request.id, index=0)
        turn_to_the_end()
        facts = script("show", model_job().pk)
        question = ProviderCall.objects.get(kind="llm")
        assert [(call["kind"], call["product"], Decimal(call["cost"])) for call in facts["calls"]] == [
            ("llm", "words", question.cost), ("model", "work", Decimal("0.25")),
        ]  # fmt: skip
        assert Decimal(facts["job"]["cost"]) == Decimal("0.25")
        assert Decimal(facts["request"]["cost"]) == question.cost + 5 * Decimal("0.25")
        assert "0.250000" in jobs("show", model_job().pk)

    def test_queues_name_budgets_that_are_nearly_used_up(self, alice: User, settings: Any) -> None:
        settings.BUDGETS = {"scripted": 10, "second": 1}
        ProviderCall.objects.create(reference="1", kind="image", job_id="x", provider="scripted", cost="8.3")
        ProviderCall.objects.create(reference="2", kind="image", job_id="x", provider="second", cost=1)  # not in use
        assert [row["budgets"] for row in script("queues")] == [["scripted 83 %"]] * 3
        assert "scripted 83 %" in jobs("queues")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("spent", "percent"), [("7.99", None), ("8", 80), ("12", 120)])
def test_health_is_degraded_before_a_budget_is_used_up(
    client: Client, settings: Any, spent: str, percent: int | None
) -> None:
    settings.BUDGETS = {"scripted": 10}
    ProviderCall.objects.create(reference="1", kind="image", job_id="x", provider="scripted", cost=spent)
    check = client.get("/health/detailed").json()["data"]["checks"]["providers"]
    assert check["detail"] == ([{"provider": "scripted", "budgetUsedPercent": percent}] if percent else [])
    assert check["status"] == ("degraded" if percent else "ok")


def test_a_line_for_each_job_and_none_is_counted_twice(alice: User, settings: Any) -> None:
    settings.PRICES = {"scripted:work": 0.25}
    make_request(alice)
    turn_to_the_end()
    assert ImageGenerationJob.objects.filter(status="COMPLETED").count() == 4
    assert Decimal(costs_json()["cost"]) == 1
