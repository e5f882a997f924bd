"""Who may decide in a case now, and in which of its open stages; each no is said in words."""

from typing import NoReturn
from uuid import UUID

from django.utils.translation import gettext as _

from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput
from governance.policy import permits
from governance.policy.permissions import Permission
from governance.policy.permits import NotPermitted
from governance.review import selectors
from governance.review.models import Case, Turn


class AlreadyDecided(DomainError):
    """The reviewer has decided this case; one person decides once, in one stage."""

    code = "already_decided"
    status = 409


def check_not_decided(actor: Actor, case: Case) -> None:
    """Let pass whoever has not decided in this case. Raises: AlreadyDecided."""
    if case.decisions.filter(reviewer_id=actor.id).exists():
        raise AlreadyDecided(
            _("You have decided on this already; somebody else takes the next decision."),
            case_id=str(case.id),
        )


def turn_for(actor: Actor, case: Case, stage_key: str) -> Turn:
    """Return the open turn in which the actor decides.

    Raises: NotPermitted, saying which condition failed; InvalidInput where several stages ask the
    actor and none is named, or the named one is not open.
    """
    turns = list(
        case.turns.filter(closed_at__isnull=True)
        .select_related("stage", "case")
        .order_by("stage__key")
    )
    parts = selectors.contributors_of(case)
    mine = [turn for turn in turns if _asks(turn, actor, case.brand_id, parts)]
    if not mine:
        _refuse(actor, case)
    if stage_key:
        mine = [turn for turn in mine if turn.stage.key == stage_key]
    if len(mine) != 1:
        raise InvalidInput(
            _("Say for which open stage you decide: %(stages)s.")
            % {"stages": ", ".join(turn.stage.key for turn in turns)},
            pointer="/stage",
            rule="enum" if stage_key else "required",
        )
    return mine[0]


def _asks(turn: Turn, actor: Actor, brand_id: UUID, parts: frozenset[UUID]) -> bool:
    seats = turn.seats.filter(closed_at__isnull=True).values_list("audience", flat=True)
    context = selectors.asked_in(brand_id, parts, seats)
    return permits.may(actor, Permission.REVIEW_CASE_DECIDE, context)


def _refuse(actor: Actor, case: Case) -> NoReturn:
    failed = permits.failing(actor, Permission.REVIEW_CASE_DECIDE, selectors.asked_now(case))
    words = {
        "is_person": _("Only a person who is signed in decides, never a key or a process."),
        "is_member": _("You hold no role in this brand."),
        "is_asked": _("The stage that is open now asks somebody else."),
        "is_not_contributor": _(
            "You had a part in this: whoever ordered, wrote or made something never decides on it."
        ),
    }
    # The part one had outweighs everything else: no role and no stage would change it.
    said = "is_not_contributor" if "is_not_contributor" in failed else failed[0]
    raise NotPermitted(
        words[said], permission=Permission.REVIEW_CASE_DECIDE.value, failed=list(failed)
    )
