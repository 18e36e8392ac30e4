"""Mass assignment: members that nobody was asked for, in every body that is taken."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.db.models import Model as Table
from rest_framework.test import APIClient

from lumi.accounts.models import User
from tests.attacks.contract import FORM, Operation, those
from tests.factories import make_user

MARK, NUMBER, LONG_AGO = "planted", 424_242, "1999-01-01T00:00:00.000Z"
OURS = ("accounts", "gallery", "generation", "interactions", "lumi")


def planted(eve: str) -> dict[str, Any]:
    """Every name of a column or of the wire that would be worth something, in both spellings."""
    texts = (
        "id", "pk", "key", "avatar", "files", "errorMessage", "error_code", "tokenHash", "token_hash", "refreshJti",
        "refresh_jti", "codeHash", "code_hash", "password", "provider", "source", "format", "device",
    )  # fmt: skip
    numbers = (
        "viewCount", "view_count", "likeCount", "like_count", "favoriteCount", "favorite_count", "downloadCount",
        "download_count", "fileSize", "size", "retryCount", "retry_count", "progress", "priority", "attempts", "cost",
    )  # fmt: skip
    moments = (
        "createdAt", "created_at", "updatedAt", "updated_at", "publishedAt", "published_at", "completedAt",
        "completed_at", "expiresAt", "expires_at", "usedAt", "used_at", "lastLogin", "last_login",
    )  # fmt: skip
    people = ("owner", "ownerId", "owner_id", "user", "userId", "user_id", "sub")
    rights = ("isStaff", "is_staff", "isSuperuser", "is_superuser", "isHidden", "is_hidden", "hidden")
    states = ("moderation", "moderationState", "moderation_state")
    return {
        **dict.fromkeys(texts, MARK), **dict.fromkeys(numbers, NUMBER), **dict.fromkeys(moments, LONG_AGO),
        **dict.fromkeys(people, eve), **dict.fromkeys(rights, True), **dict.fromkeys(states, "HIDDEN"),
        "status": "CANCELLED", "visibility": "PUBLIC", "groups": [1], "user_permissions": [1],
    }  # fmt: skip


def rows() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row of every table of ours, by column."""
    for table in apps.get_models():
        if table._meta.app_label in OURS:
            yield from ((table.__name__, row) for row in rows_of(table))


def rows_of(table: type[Table]) -> Iterator[dict[str, Any]]:
    """The rows of one table."""
    yield from table._default_manager.values()


def traces(eve: str) -> list[tuple[str, str, Any]]:
    """What of the planted is in the database."""
    return [
        (table, column, value)
        for table, row in rows()
        for column, value in row.items()
        if is_planted(column, value, eve) and not (table == "User" and row["id"] == eve)
    ]


def is_planted(column: str, value: Any, eve: str) -> bool:
    """Whether this came from us."""
    if isinstance(value, datetime):
        return value < datetime(2000, 1, 1, tzinfo=UTC)
    if column in ("is_staff", "is_superuser", "is_hidden"):
        return value is True
    return value == NUMBER or MARK in str(value) or eve in str(value) or value in ("CANCELLED", "PUBLIC", "HIDDEN")


@pytest.mark.parametrize("operation", those(lambda operation: operation.takes), ids=str)
def test_members_that_nobody_asked_for_change_nothing(
    operation: Operation,
    as_alice: APIClient,
    good: Callable[[Operation], dict[str, Any]],
    ids: dict[str, str],
) -> None:
    eve = make_user("eve@example.com").id
    body = good(operation)
    extra = {name: value for name, value in planted(eve).items() if name not in operation.members}
    if operation.takes == FORM:
        extra = {name: str(value) for name, value in extra.items()}
    before = traces(eve)
    answer = operation.call(as_alice, {**extra, **body}, **ids)
    assert answer.status_code in (200, 201), answer.content
    assert traces(eve) == before


def test_the_search_would_find_them(alice: User) -> None:
    eve = make_user("eve@example.com").id
    User.objects.filter(pk=alice.pk).update(name=f"a {MARK} name", is_staff=True, created_at=LONG_AGO)
    assert {column for _, column, _ in traces(eve)} == {"name", "is_staff", "created_at"}
