"""A brand's scoring policies: its versions, one of them whole, and the form for the next."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from imprimatur.web.forms.scoring import ScoringPolicyForm
from imprimatur.web.screens import scoring as screens
from imprimatur.web.views._screen import screen
from imprimatur.workflow import policies, scoring_policies


@require_safe
@screen
def brands(request: HttpRequest, actor: Actor) -> HttpResponse:
    """Show the brands, or the policies of the only one."""
    found = screens.brand_list(actor)
    if len(found) == 1:
        return redirect("web:scoring", found[0]["id"])
    return render(request, "web/scoring_brands.html", {"brands": found})


@require_safe
@screen
def versions(request: HttpRequest, actor: Actor, brand_id: UUID) -> HttpResponse:
    """Show every scoring policy of a brand."""
    return render(request, "web/scoring.html", screens.versions(actor, brand_id))


@require_safe
@screen
def policy(request: HttpRequest, actor: Actor, policy_id: UUID) -> HttpResponse:
    """Show one policy whole, and what holds for the chosen market and template."""
    record = policies.show_scoring_policy(actor=actor, policy_id=policy_id, now=clock.now())
    context = screens.policy(
        actor,
        record,
        market=request.GET.get("market", ""),
        template_slug=request.GET.get("template", ""),
    )
    return render(request, "web/scoring_policy.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@screen
def propose(request: HttpRequest, actor: Actor, brand_id: UUID) -> HttpResponse:
    """Show the form, say what a policy would change, or propose it."""
    context = screens.proposing(actor, brand_id)
    if request.method != "POST":
        text = screens.starting_text(actor, brand_id)
        return _page(request, context, ScoringPolicyForm(initial={"document": text}), 200)
    form = ScoringPolicyForm(request.POST)
    if not form.is_valid():
        return _page(request, context, form, 400)
    content = form.cleaned_data["document"]
    try:
        if request.POST.get("act") != "propose":
            checked = scoring_policies.require_sound(
                actor=actor, brand_id=brand_id, content=content
            )
            changes = screens.diff(actor, brand_id, checked)
            return _page(request, {**context, "changes": changes}, form, 200)
        made = policies.propose_scoring(
            actor=actor, brand_id=brand_id, content=content, now=clock.now()
        )
    except InvalidInput as error:
        form.add_problems(error)
        return _page(request, context, form, error.status)
    messages.success(request, _("Proposed. It counts once somebody else approved it."))
    return redirect("web:scoring-policy", made.id)


def _page(
    request: HttpRequest, context: dict[str, Any], form: ScoringPolicyForm, status: int
) -> HttpResponse:
    return render(request, "web/scoring_propose.html", {**context, "form": form}, status=status)
