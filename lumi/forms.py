"""Forms of the word filter: a rule that could not be used is refused where it is written."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from lumi import audit, wordfilter
from lumi.again import again_after_deadlock
from lumi.models import FilterRule

MOST_AT_ONCE = 500


class RuleForm(forms.ModelForm):
    """One rule."""

    class Meta:
        model = FilterRule
        fields = ("text", "match", "scope", "sentence", "is_active")

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        if "text" in found and "match" in found:
            try:
                wordfilter.check_rule(found["text"], found["match"])
            except ValidationError as error:
                self.add_error("text", error)
        return found


class ManyRulesForm(forms.Form):
    """Rules of one kind, one a line."""

    texts = forms.CharField(label=_("one rule a line"), widget=forms.Textarea(attrs={"rows": 20, "cols": 60}))
    match = forms.ChoiceField(label=_("kind"), choices=FilterRule.Match)
    scope = forms.ChoiceField(label=_("where"), choices=FilterRule.Scope)

    def clean(self) -> dict[str, Any]:
        """The lines without doubles. Raises ValidationError, which names the first line that is wrong."""
        found: dict[str, Any] = super().clean() or self.cleaned_data
        lines = list(dict.fromkeys(line.strip() for line in found.get("texts", "").splitlines() if line.strip()))
        if len(lines) > MOST_AT_ONCE:
            raise ValidationError(_("At most %(most)d rules at once."), params={"most": MOST_AT_ONCE})
        for line in lines:
            self.check(line, found.get("match", ""))
        return found | {"texts": lines}

    def check(self, line: str, match: str) -> None:
        """Raises ValidationError."""
        try:
            FilterRule._meta.get_field("text").clean(line, None)
            wordfilter.check_rule(line, match)
        except ValidationError as error:
            raise ValidationError(
                [ValidationError("%(line)s", params={"line": line[:60]}), *error.error_list]
            ) from error

    @again_after_deadlock
    @transaction.atomic
    def save(self) -> int:
        """Those that are new; how many."""
        kind = {"match": self.cleaned_data["match"], "scope": self.cleaned_data["scope"]}
        known = set(FilterRule.objects.filter(**kind).values_list("text", flat=True))
        texts = [text for text in self.cleaned_data["texts"] if text not in known]
        FilterRule.objects.bulk_create((FilterRule(text=text, **kind) for text in texts), ignore_conflicts=True)
        if texts:
            audit.record("added", ("filterrule", ""), after={**kind, "texts": texts})
        return len(texts)
