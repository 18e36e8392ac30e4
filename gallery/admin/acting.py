"""What is posted by the moderation's pages: one verb for one model or several, with a reason; an answer to an appeal. A
script is answered in JSON, a form with the page that it came from; a form that lacks a reason or an assurance, with a
page that asks for it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from gallery.admin.verbs import USUAL_REASONS, VERBS, Outcome, Verb, perform, summary, verbs_for
from gallery.models import Model
from lumi.accounts.models import User
from lumi.admin import staff
from lumi.errors import Forbidden, Invalid, LumiError
from lumi.process import acting_as

MOST_AT_ONCE = 100


class Order(NamedTuple):
    """What somebody wants done. `seen`: the newest decisions that they knew of, by model, where they said so."""

    verb: Verb
    ids: list[str]
    reason: str
    seen: Mapping[str, str]
    is_sure: bool


def order_in(request: HttpRequest) -> Order:
    """What was posted. Raises Invalid, and Forbidden for what this member of staff may not do."""
    post = request.POST
    verb = VERBS.get(post.get("verb", ""))
    ids = list(dict.fromkeys(post.getlist("model")))
    if verb is None:
        raise Invalid(_("There is no such action."))
    if verb not in verbs_for(request.user):
        raise Forbidden
    check_number(verb, ids)
    seen = {model_id: post[f"seen_{model_id}"] for model_id in ids if f"seen_{model_id}" in post}
    return Order(verb, ids, (post.get("reason") or post.get("usual") or "").strip(), seen, "sure" in post)


def check_number(verb: Verb, ids: Sequence[str]) -> None:
    """Raises Invalid for none, and for too many."""
    most = MOST_AT_ONCE if verb.many else 1
    if not ids:
        raise Invalid(_("Please choose at least one model."))
    if len(ids) > most:
        raise Invalid(_("Please choose at most %(most)d at once for this.") % {"most": most})


def carry_out(order: Order, request: HttpRequest) -> list[Outcome]:
    """One after the other; what becomes of one does not hinder the next."""
    by = member(request)
    with acting_as(staff(request)):
        return [
            perform(order.verb, model_id, reason=order.reason, seen=order.seen.get(model_id), by=by)
            for model_id in order.ids
        ]


def member(request: HttpRequest) -> User:
    """Who acts: the admin lets nobody else come so far."""
    return cast("User", request.user)


# --- Answers ----------------------------------------------------------------------------------------------------------
def act(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Do what was posted, or ask for what is missing."""
    try:
        order = order_in(request)
    except LumiError as error:
        return refusal(error, request, site)
    if not wants_json(request) and not order.is_sure and (order.verb.reason is not None or order.verb.sure):
        return question(order.verb, order.ids, request, site, seen=order.seen)
    if order.verb.reason and not order.reason and not wants_json(request):
        return question(order.verb, order.ids, request, site, seen=order.seen, error=_("Please give a reason."))
    return told(carry_out(order, request), request)


def wants_json(request: HttpRequest) -> bool:
    """A script asks."""
    return request.headers.get("Accept", "").startswith("application/json")


def told(outcomes: Sequence[Outcome], request: HttpRequest) -> HttpResponse:
    """What became of each."""
    if wants_json(request):
        return told_to_script(outcomes)
    for outcome in outcomes:
        messages.add_message(request, messages.SUCCESS if outcome.ok else messages.ERROR, outcome.message)
    return HttpResponseRedirect(where_from(request))


def told_to_script(outcomes: Sequence[Outcome]) -> JsonResponse:
    """The status is the first one's if nothing was done, else 200: then each result tells."""
    results = [outcome._asdict() | {"ok": outcome.ok} for outcome in outcomes]
    status = 200 if any(outcome.ok for outcome in outcomes) else outcomes[0].status
    return JsonResponse({"message": summary(outcomes), "results": results}, status=status)


def refusal(error: LumiError, request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Nothing was done, and why."""
    if wants_json(request):
        return JsonResponse({"message": str(error.message), "results": []}, status=error.status)
    context = {"title": _("Nothing was done"), "error": error.message}
    return page("refused", request, site, context, status=error.status)


def question(
    verb: Verb,
    ids: Sequence[str],
    request: HttpRequest,
    site: AdminSite,
    *,
    seen: Mapping[str, str] | None = None,
    error: Any = "",
) -> HttpResponse:
    """The page that asks for a reason, and whether somebody is sure."""
    models = [(model, (seen or {}).get(model.pk)) for model in Model.objects.with_owner().filter(pk__in=ids)]
    context = {"title": verb.label, "verb": verb, "models": models, "reasons": USUAL_REASONS, "error": error}
    return page("confirm", request, site, context, status=400 if error else 200)


def page(name: str, request: HttpRequest, site: AdminSite, context: dict[str, Any], *, status: int) -> HttpResponse:
    """One of the moderation's pages."""
    common = {**site.each_context(request), "opts": Model._meta, "next": where_from(request)}
    return TemplateResponse(request, f"admin/gallery/model/{name}.html", common | context, status=status)


def where_from(request: HttpRequest) -> str:
    """The page to go back to: one of ours, whatever is asked for."""
    wanted = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure()):
        return wanted
    return reverse("admin:gallery_model_queue")
