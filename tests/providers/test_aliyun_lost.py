"""A submit to Aliyun whose answer was lost: found, surely not there, or not to be told. Never another's job, never a
wrong "none"."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from providers import aliyun
from providers.base import Fault, JobState, LostSubmit, ProviderError
from tests.providers.bench import QUICK
from tests.vendors.aliyun import BEIJING, AliyunVendor, settings_for
from tests.vendors.server import Asked, Reply

WORDS, MODEL, TRIPO = "一只圆润的小猫, 底座平稳", "qwen-image-plus", "Tripo/Tripo-P1.0"
DONE, NONE, UNCLEAR = "found", "surely none", "cannot tell"


class ListingVendor(AliyunVendor):
    """Lists what it is told to."""

    listing: dict[str, Any] | None = None

    def route(self, operation: str, asked: Asked) -> Reply:
        """The told list, or the usual one."""
        return Reply(200, self.listing) if self.listing and operation == "list" else super().route(operation, asked)


@pytest.fixture
def vendor(settings: Any) -> Iterator[ListingVendor]:
    """DashScope, and Lumi configured for it."""
    with ListingVendor() as vendor:
        settings.ALIYUN = settings_for()(vendor)["ALIYUN"]
        settings.PROVIDER_SECONDS = QUICK
        yield vendor


def lost(*, ago: float = 60, known: tuple[str, ...] = (), prompt: str = WORDS) -> LostSubmit:
    """A submit whose answer never came; `ago`: seconds."""
    sent_at = datetime.now(UTC) - timedelta(seconds=ago)
    return LostSubmit(reference="job-1", prompt=prompt, sent_at=sent_at, known=frozenset(known))


def task(vendor: AliyunVendor, *, ago: float = 59, **changed: Any) -> str:
    """A finished task of our model and words, unless told otherwise; its id."""
    at = (datetime.now(UTC) - timedelta(seconds=ago)).timestamp()
    return vendor.add_task(**{"model": MODEL, "prompt": WORDS, "status": "SUCCEEDED", "at": at} | changed)


def outcome(provider: Any, submit: LostSubmit) -> str:
    """What comes of looking for it."""
    try:
        report = provider.find(submit)
    except ProviderError as error:
        if error.fault != Fault.UNAVAILABLE:
            raise
        return UNCLEAR
    return DONE if report else NONE


class TestOneTask:
    def test_is_ours_and_done(self, vendor: ListingVendor) -> None:
        ref = task(vendor)
        report = aliyun.images().find(lost())
        assert report is not None
        assert (report.state, report.ref, len(report.files), report.units) == (JobState.DONE, ref, 1, 1)

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({}, DONE),
            ({"prompt": f"  {WORDS.replace(' ', chr(10))} "}, DONE),  # white space is the vendor's affair
            ({"prompt": "一只小狗"}, NONE),
            ({"prompt": WORDS[:-1]}, NONE),
            ({"status": "PENDING"}, UNCLEAR),
            ({"status": "RUNNING"}, UNCLEAR),
            ({"status": "SUSPENDED"}, UNCLEAR),
            ({"status": "A NEW STATE"}, UNCLEAR),
            ({"status": "FAILED"}, NONE),  # ours or not: it was not billed
            ({"status": "CANCELED"}, NONE),
            ({"model": "wan2.2-t2i-flash"}, NONE),
            ({"model": "qwen-image"}, NONE),
            ({"model": "qwen-image-plus-2026-01-09"}, DONE),  # what a list may call the same model
            ({"model": ""}, DONE),
            ({"ago": 60 + 15 * 60}, NONE),  # made long before ours was sent
            ({"ago": 60 + 5 * 60}, DONE),  # within what clocks may differ
        ],
    )
    def test_of_some_kind(self, vendor: ListingVendor, changed: dict[str, Any], expected: str) -> None:
        task(vendor, **changed)
        assert outcome(aliyun.images(), lost()) == expected

    def test_made_long_after_ours_was_sent(self, vendor: ListingVendor) -> None:
        task(vendor, ago=60)
        assert outcome(aliyun.images(), lost(ago=60 * 60)) == NONE

    def test_that_does_not_show_its_words_may_be_ours(self, vendor: ListingVendor) -> None:
        vendor.shows_prompts = False
        task(vendor)
        assert outcome(aliyun.images(), lost()) == UNCLEAR

    def test_that_is_accounted_for_is_not_ours(self, vendor: ListingVendor) -> None:
        known = task(vendor), task(vendor, status="RUNNING")
        assert outcome(aliyun.images(), lost(known=known)) == NONE

    @pytest.mark.parametrize("how", ["reset_after", "hang_after", "truncated"])
    def test_of_an_order_whose_answer_was_lost_is_found_when_it_is_over(self, vendor: ListingVendor, how: str) -> None:
        provider = aliyun.images()
        vendor.will("submit", how)
        with pytest.raises(ProviderError):
            provider.submit(aliyun.ImageOrder(reference="job-1", prompt=WORDS))
        assert outcome(provider, lost(ago=1)) == UNCLEAR
        (ref,) = vendor.tasks
        vendor.tasks[ref]["status"] = "SUCCEEDED"
        assert outcome(provider, lost(ago=1)) == DONE
        assert len(vendor.charges) == 1


class TestSeveralTasks:
    def test_no_task_at_all(self, vendor: ListingVendor) -> None:
        assert outcome(aliyun.images(), lost()) == NONE

    def test_ours_among_others(self, vendor: ListingVendor) -> None:
        task(vendor, prompt="一只小狗")
        task(vendor, status="RUNNING")
        ref = task(vendor)
        report = aliyun.images().find(lost())
        assert report is not None
        assert report.ref == ref

    def test_anothers_that_is_not_over_leaves_it_open(self, vendor: ListingVendor) -> None:
        task(vendor, prompt="一只小狗")
        task(vendor, status="RUNNING")
        assert outcome(aliyun.images(), lost()) == UNCLEAR

    def test_two_orders_of_the_same_words_find_two_tasks(self, vendor: ListingVendor) -> None:
        refs = [task(vendor, ago=200), task(vendor, ago=100)]
        found = [aliyun.images().find(lost(ago=ago)) for ago in (201, 101)]
        assert [report and report.ref for report in found] == refs


class TestTheList:
    @pytest.mark.parametrize("zone", [BEIJING, UTC], ids=str)
    def test_is_read_in_whatever_zone(self, vendor: ListingVendor, zone: Any) -> None:
        vendor.zone = zone
        task(vendor)
        assert outcome(aliyun.images(), lost()) == DONE

    def test_is_read_to_its_end(self, vendor: ListingVendor) -> None:
        vendor.longest_page = 2
        task(vendor, ago=58)
        for _ in range(5):
            task(vendor, prompt="一只小狗", ago=50)
        assert outcome(aliyun.images(), lost()) == DONE
        assert vendor.count("list") == 3 + 1  # the pages in the one zone, and an empty one in the other

    @pytest.mark.parametrize(
        "listing",
        [
            {"total": 2, "total_page": 1, "data": [{"task_id": "a", "status": "FAILED"}]},
            {"total": 1, "total_page": 1},
            {"total": 9, "total_page": 99, "data": [{"task_id": "a", "status": "FAILED"}]},
        ],
        ids=["a task is missing", "no tasks", "no end"],
    )
    def test_that_is_not_whole_proves_nothing(self, vendor: ListingVendor, listing: dict[str, Any]) -> None:
        vendor.listing = listing
        assert outcome(aliyun.images(), lost()) == UNCLEAR

    @pytest.mark.parametrize(
        "listing",
        [
            {"weather": "fine"},
            {"total": "1", "total_page": 1, "data": []},
            {"total": 1, "total_page": 1, "data": [{"status": "FAILED"}]},
            {"code": "Throttling.RateQuota", "message": "too fast"},
        ],
    )
    def test_that_cannot_be_understood_proves_nothing(self, vendor: ListingVendor, listing: dict[str, Any]) -> None:
        vendor.listing = listing
        with pytest.raises(ProviderError):
            aliyun.images().find(lost())

    @pytest.mark.parametrize(("operation", "how"), [("list", "html"), ("list", "throttled"), ("poll", "server_error")])
    def test_or_a_task_that_cannot_be_had_proves_nothing(self, vendor: ListingVendor, operation: str, how: str) -> None:
        task(vendor)
        vendor.will(operation, how, times=None)
        with pytest.raises(ProviderError):
            aliyun.images().find(lost())

    def test_a_time_of_a_wrong_kind_rules_nothing_out(self, vendor: ListingVendor) -> None:
        row = {"task_id": task(vendor), "status": "SUCCEEDED", "model_name": MODEL, "gmt_create": "2026-01-01"}
        vendor.listing = {"total": 1, "total_page": 1, "data": [row]}
        assert outcome(aliyun.images(), lost()) == DONE

    def test_is_not_asked_for_what_it_has_forgotten(self, vendor: ListingVendor) -> None:
        assert outcome(aliyun.images(), lost(ago=23 * 3600)) == UNCLEAR
        assert vendor.count("list") == 0


class TestModels:
    """A task of Tripo's shows neither words nor picture."""

    @pytest.mark.parametrize(
        ("changed", "expected"),
        [
            ({"model": TRIPO}, UNCLEAR),
            ({"model": TRIPO, "status": "RUNNING"}, UNCLEAR),
            ({"model": TRIPO, "status": "FAILED"}, NONE),
            ({"model": MODEL}, NONE),
        ],
    )
    def test_one_is_never_taken_on_suspicion(
        self, vendor: ListingVendor, changed: dict[str, Any], expected: str
    ) -> None:
        task(vendor, **changed)
        assert outcome(aliyun.models(), lost()) == expected

    def test_one_that_is_accounted_for_is_not_ours(self, vendor: ListingVendor) -> None:
        assert outcome(aliyun.models(), lost(known=(task(vendor, model=TRIPO),))) == NONE
