"""A house in which every table has rows, of the kind that databases like to change; by itself a process, for
installations with databases of their own: `python -m tests.lumi.household fill|renumber|prove`."""

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import django

MOMENT = datetime(2026, 1, 31, 23, 59, 59, 123457, tzinfo=UTC)
TEXT = "一只猫 🐈‍⬛ \\ \"' \t é %s ß"
DISORDER = {"b": [1, 2.5, 1e-7, None, True], "a": {"z": TEXT, "A": {}}, "": [], "n": 12345678901234567}


def fill() -> None:
    """Two people, of whom one is staff, and whatever they may have."""
    from tests import factories  # noqa: PLC0415  apps must be loaded

    alice = factories.make_user("alice@example.com", name=TEXT, avatar="")
    alice.avatar = factories.store("avatars", alice, "头像.webp")["key"]
    alice.save()
    boss = factories.make_user("boss@example.com", is_staff=True, is_superuser=True, requests_a_day=0)
    type(alice).objects.tombstone()
    factories.make_request(alice, status="COMPLETED", prompt=TEXT)
    factories.make_request(alice, status="CANCELLED")
    fill_staff(boss)
    fill_accounts(alice)
    fill_gallery(factories.make_model(alice, public=True, name=TEXT, description=TEXT), boss)
    fill_generation(alice)


def fill_staff(boss: Any) -> None:
    """Rights, second factors, what staff have done."""
    from django.contrib.admin.models import LogEntry  # noqa: PLC0415
    from django.contrib.auth.models import Group, Permission  # noqa: PLC0415
    from django.contrib.contenttypes.models import ContentType  # noqa: PLC0415
    from django_otp.plugins.otp_static.models import StaticDevice  # noqa: PLC0415
    from django_otp.plugins.otp_totp.models import TOTPDevice  # noqa: PLC0415

    from lumi import audit, process  # noqa: PLC0415
    from lumi.models import FilterRule  # noqa: PLC0415

    rights = Permission.objects.filter(codename__in=["moderate_model", "view_user", "operate_jobs"])
    group = Group.objects.create(name=TEXT)
    group.permissions.set(rights)
    boss.groups.add(group)
    boss.user_permissions.set(rights[:2])
    kind = ContentType.objects.get(app_label="gallery", model="model")
    LogEntry.objects.create(user=boss, content_type=kind, object_id="1", object_repr=TEXT, action_flag=2)
    LogEntry.objects.create(user=boss, object_repr="nothing", action_flag=3)
    TOTPDevice.objects.create(user=boss, name="app", key="00" * 20)
    StaticDevice.objects.create(user=boss, name="codes").token_set.create(token="abcdefgh")
    FilterRule.objects.create(text=TEXT, is_active=False)
    with process.acting_as("Boss (1)"):
        for number in range(3):
            audit.record("changed", ("model", str(number)), reason=TEXT, before=DISORDER, after={"at": MOMENT})


def fill_accounts(alice: Any) -> None:
    """What let her in, and what she was told."""
    from lumi.accounts.models import ApiToken, EmailVerificationCode, Notice, Session, Strike  # noqa: PLC0415

    EmailVerificationCode.objects.create(email=alice.email, purpose="LOGIN", code_hash="h", expires_at=MOMENT)
    EmailVerificationCode.objects.create(user=alice, email="b@c.d", purpose="DELETE", code_hash="h", expires_at=MOMENT)
    Session.objects.create(user=alice, refresh_jti="j", expires_at=MOMENT, ended_at=MOMENT.replace(microsecond=0))
    ApiToken.objects.create(user=alice, name=TEXT, scopes=["read"], token_hash="h", expires_at=MOMENT)
    Strike.objects.create(user=alice, reason=TEXT)
    Notice.objects.create(user=alice, kind="WARNING", read_at=MOMENT)


def fill_gallery(model: Any, boss: Any) -> None:
    """What people think of a model."""
    from gallery.models import Appeal, Decision, Model, Report  # noqa: PLC0415
    from interactions.actions import toggle  # noqa: PLC0415
    from interactions.models import Kind  # noqa: PLC0415

    toggle(user=boss, model_id=model.pk, kind=Kind.LIKE)
    Report.objects.create(model=model, reporter=boss, reason="SPAM", text=TEXT)
    Report.objects.create(model=model, reporter=boss, reason="OTHER", state="UPHELD", is_open=None, decided_at=MOMENT)
    decision = Decision.objects.create(model=model, verdict="HIDDEN", reason=TEXT, decided_by=boss)
    Appeal.objects.create(decision=decision, text=TEXT)
    Model.objects.filter(pk=model.pk).update(created_at=MOMENT, updated_at=MOMENT, view_count=2**31 - 1)


def fill_generation(alice: Any) -> None:
    """What is written beside the jobs."""
    from generation.models import (  # noqa: PLC0415
        Breaker,
        IdempotencyKey,
        ImageGenerationJob,
        JobEvent,
        ProviderCall,
        ProviderGate,
        QueuePause,
    )

    JobEvent.objects.create(kind="image", job_id="gone", event="COMPLETED", detail=DISORDER)
    cost = Decimal("12345678.000001")
    ProviderCall.objects.create(reference="r", kind="image", job_id="j", provider="p", cost=cost, answer=DISORDER)
    ProviderGate.objects.get_or_create(kind="image", provider="p", defaults={"starts": [MOMENT.timestamp()]})
    Breaker.objects.create(kind="image", provider="p", operation="poll", failures=[MOMENT.timestamp()])
    QueuePause.objects.create(kind="image", paused_by=TEXT)
    IdempotencyKey.objects.create(user=alice, key="k", fingerprint="f", created_at=MOMENT, response=None)
    IdempotencyKey.objects.create(user=alice, key="l", fingerprint="f", created_at=MOMENT, response=DISORDER)
    ImageGenerationJob.objects.update(results=[DISORDER], error_text=TEXT * 1000)


def renumber() -> None:
    """Content types and permissions have other numbers than anywhere else."""
    from django.contrib.contenttypes.models import ContentType  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    ContentType.objects.all().delete()
    call_command("migrate", verbosity=0)


def prove() -> None:
    """Print what must hold in a house that was filled elsewhere."""
    from django.contrib.auth.models import Group, Permission  # noqa: PLC0415

    from generation.models import JobEvent  # noqa: PLC0415
    from lumi import audit  # noqa: PLC0415
    from lumi.accounts.models import User  # noqa: PLC0415

    last = JobEvent.objects.order_by("-pk").values_list("pk", flat=True)[0]
    added = JobEvent.objects.create(kind="image", job_id="new", event="COMPLETED")
    boss = User.objects.get(email="boss@example.com")
    print(json.dumps({
        "audit": audit.verify()[0],
        "numbers_go_on": added.pk > last,
        "rights_of_group": sorted(Group.objects.get(name=TEXT).permissions.values_list("codename", flat=True)),
        "rights_of_boss": sorted(boss.user_permissions.values_list("codename", flat=True)),
        "first_permission": Permission.objects.order_by("pk").values_list("pk", flat=True)[0],
    }))  # fmt: skip
    added.delete()


if __name__ == "__main__":
    django.setup()
    {"fill": fill, "renumber": renumber, "prove": prove}[sys.argv[1]]()
