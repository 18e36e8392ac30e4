"""What narrows a list. All choices are known beforehand: to ask a table which values it holds is to read it whole."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from generation import journal, messages
from generation.queue import JOBS
from lumi import clock

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(days=7)
AGES = {"hour": HOUR, "day": DAY, "week": WEEK}


class Known(admin.SimpleListFilter):
    """One of some known words in a column."""

    column: ClassVar[str]

    def words(self, desk: Any) -> Iterable[str]:
        """The words."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Each under its own name, once."""
        return [(str(word), str(word)) for word in dict.fromkeys(self.words(model_admin))]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """What bears it."""
        return queryset.filter(**{self.column: self.value()}) if self.value() else queryset


class ProviderFilter(Known):
    """The providers that the settings know, of the list's kind."""

    title, parameter_name, column = _("provider"), "provider__exact", "provider"

    def words(self, desk: Any) -> Iterable[str]:
        """Of all kinds where the list is of all."""
        kinds = [kind] if (kind := getattr(desk.model, "kind", None)) in JOBS else settings.PROVIDERS
        return [name for kind in kinds for name in settings.PROVIDERS[kind]]


class ErrorFilter(Known):
    """The errors that there is a sentence for."""

    title, parameter_name, column = _("error"), "error_code__exact", "error_code"

    def words(self, desk: Any) -> Iterable[str]:
        """In the order of the alphabet."""
        return sorted(messages.SENTENCES)


class KindFilter(Known):
    """Kinds of calls and of history."""

    title, parameter_name, column = _("kind"), "kind__exact", "kind"

    def words(self, desk: Any) -> Iterable[str]:
        """Image, model, and questions to the LLM."""
        return (*JOBS, "llm")


class OutcomeFilter(Known):
    """What became of a call."""

    title, parameter_name, column = _("outcome"), "outcome__exact", "outcome"

    def words(self, desk: Any) -> Iterable[str]:
        """As the journal has them."""
        return (journal.ACCEPTED, journal.REFUSED, journal.UNKNOWN)


class AgeFilter(admin.SimpleListFilter):
    """How long ago it was created."""

    title, parameter_name = _("age"), "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Three spans, and what is older than all."""
        return [
            ("hour", _("last hour")),
            ("day", _("last 24 hours")),
            ("week", _("last 7 days")),
            ("older", _("older")),
        ]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        """By the database's clock."""
        if self.value() == "older":
            return queryset.filter(created_at__lt=clock.now() - WEEK)
        length = AGES.get(self.value() or "")
        return queryset.filter(created_at__gte=clock.now() - length) if length else queryset
