"""The words for roles, states and verdicts on the screens, each with its sign and tone; one table each."""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from governance.kernel.roles import Role


@dataclass(frozen=True, slots=True)
class Word:
    """What a state is called, the icon beside it and its tone; a tone never stands alone."""

    label: str | Promise
    icon: str
    tone: str = ""
    is_live: bool = False


ROLES: dict[str, str | Promise] = {
    Role.AUDITOR: _("Auditor"),
    Role.BRAND_MANAGER: _("Brand manager"),
    Role.BRAND_REVIEWER: _("Brand reviewer"),
    Role.COMPLIANCE_REVIEWER: _("Compliance reviewer"),
    Role.DATA_STEWARD: _("Data steward"),
    Role.MARKETER: _("Marketer"),
    Role.PLATFORM_ADMIN: _("Platform admin"),
}

STATES: dict[str, Word] = {
    # items and jobs
    "queued": Word(_("Queued"), "clock"),
    "leased": Word(_("Rendering"), "spinner", "info", is_live=True),
    "running": Word(_("Rendering"), "spinner", "info", is_live=True),
    "in_review": Word(_("In review"), "review", "info"),
    "refused": Word(_("Refused"), "cross", "bad"),
    "held": Word(_("Held"), "pause", "warn"),
    "failed": Word(_("Failed"), "alert", "bad"),
    "cancelled": Word(_("Cancelled"), "cross"),
    "done": Word(_("Done"), "check", "good"),
    # review cases
    "open": Word(_("Open"), "review", "info"),
    "approved": Word(_("Approved"), "check", "good"),
    "rejected": Word(_("Rejected"), "cross", "bad"),
    "changes_requested": Word(_("Changes requested"), "pencil", "warn"),
    "voided": Word(_("Voided"), "cross", "warn"),
    # releases and publications
    "released": Word(_("Released"), "seal", "good"),
    "withdrawn": Word(_("Withdrawn"), "cross", "bad"),
    "pending": Word(_("Waiting"), "clock"),
    "delivering": Word(_("Delivering"), "spinner", "info", is_live=True),
    "published": Word(_("Published"), "check", "good"),
    "recalling": Word(_("Being recalled"), "spinner", "warn", is_live=True),
    "recalled": Word(_("Recalled"), "cross", "warn"),
    # verdicts of scorers and of people
    "pass": Word(_("Pass"), "check", "good"),
    "flag": Word(_("Flagged"), "flag", "warn"),
    "refuse": Word(_("Refused"), "cross", "bad"),
    "hold": Word(_("Held"), "pause", "warn"),
    "approve": Word(_("Approved"), "check", "good"),
    "reject": Word(_("Rejected"), "cross", "bad"),
    "request_changes": Word(_("Changes requested"), "pencil", "warn"),
}

SCORERS: dict[str, str | Promise] = {
    "safety": _("Safety"),
    "prompt_match": _("Prompt match"),
    "sharpness": _("Sharpness"),
    "exposure": _("Exposure"),
    "contrast": _("Contrast"),
    "aesthetics": _("Aesthetics"),
}

HOLDERS: dict[str, str | Promise] = {
    "user": _("You"),
    "brand": _("The brand"),
    "model": _("The model"),
}

PARTS: dict[str, str | Promise] = {
    "requester": _("ordered it"),
    "author": _("wrote it"),
}


def state(name: str) -> Word:
    """Return the word for a state; an unknown one is shown as it is, never hidden."""
    return STATES.get(name) or Word(name.replace("_", " ").capitalize(), "info")


def role(name: str) -> str:
    """Return a role's name for the screen."""
    return str(ROLES.get(name, name.replace("_", " ").capitalize()))


def scorer(name: str) -> str:
    """Return a scorer's name for the screen."""
    return str(SCORERS.get(name, name.replace("_", " ").capitalize()))
