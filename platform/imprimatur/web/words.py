"""The words for roles, states and scores on the screens, each with its sign; one table each."""

import re
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from governance.kernel.roles import Role
from governance.notices.states import Kind

HEX = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


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
    # replays
    "same": Word(_("The same bytes"), "check", "good"),
    "drifted": Word(_("Other bytes"), "alert", "warn"),
    # review cases
    "open": Word(_("Open"), "review", "info"),
    "approved": Word(_("Approved"), "check", "good"),
    "rejected": Word(_("Rejected"), "cross", "bad"),
    "changes_requested": Word(_("Changes requested"), "pencil", "warn"),
    "voided": Word(_("Voided"), "cross", "warn"),
    # refusals and appeals; what is upheld is the refusal
    "overridden": Word(_("Overridden"), "check", "good"),
    "upheld": Word(_("Refusal stands"), "cross", "bad"),
    "overturned": Word(_("Overturned"), "check", "good"),
    # releases and publications
    "released": Word(_("Released"), "seal", "good"),
    "withdrawn": Word(_("Withdrawn"), "cross", "bad"),
    "pending": Word(_("Waiting"), "clock"),
    "delivering": Word(_("Delivering"), "spinner", "info", is_live=True),
    "published": Word(_("Published"), "check", "good"),
    "recalling": Word(_("Being recalled"), "spinner", "warn", is_live=True),
    "recalled": Word(_("Recalled"), "cross", "warn"),
    # emergencies
    "glass_opened": Word(_("Waits for a second person"), "alert", "warn"),
    "glass_confirmed": Word(_("Confirmed, the countdown runs"), "clock", "bad"),
    "glass_moot": Word(_("Its review is over"), "check"),
    "glass_stopped": Word(_("Stopped"), "cross"),
    "glass_used": Word(_("Used, waits for its judgement"), "alert", "bad"),
    "glass_upheld": Word(_("Judged: it was right"), "check", "good"),
    "glass_faulted": Word(_("Judged: it was wrong"), "cross", "bad"),
    # rights in pictures that people bring
    "rights_waiting": Word(_("Waits for confirmation"), "clock", "warn"),
    "rights_in_force": Word(_("May be used"), "check", "good"),
    "rights_not_yet": Word(_("Not valid yet"), "clock"),
    "rights_expiring": Word(_("Expires soon"), "alert", "warn"),
    "rights_expired": Word(_("Expired"), "cross", "bad"),
    "rights_withdrawn": Word(_("Withdrawn"), "cross", "bad"),
    "rights_replaced": Word(_("Replaced by a later version"), "clock"),
    # versions of policies, their rules, and what changes in them
    "in_force": Word(_("In force"), "check", "good"),
    "replaced": Word(_("Replaced by a later version"), "clock"),
    "rule_refuses": Word(_("Refused"), "cross", "bad"),
    "rule_flags": Word(_("Flagged"), "flag", "warn"),
    "rule_added": Word(_("New rule"), "plus", "info"),
    "rule_removed": Word(_("Rule removed"), "cross", "bad"),
    "rule_stricter": Word(_("Stricter"), "lock", "good"),
    "rule_looser": Word(_("Looser"), "alert", "bad"),
    "rule_mixed": Word(_("Stricter and looser"), "alert", "warn"),
    "rule_other": Word(_("Changed"), "pencil", "info"),
    # verdicts of scorers and of people
    "pass": Word(_("Pass"), "check", "good"),
    "flag": Word(_("Flagged"), "flag", "warn"),
    "refuse": Word(_("Refused"), "cross", "bad"),
    "hold": Word(_("Held"), "pause", "warn"),
    "cannot_tell": Word(_("Cannot tell"), "info"),
    "approve": Word(_("Approved"), "check", "good"),
    "approve_with_changes": Word(_("Approved with changes"), "check", "good"),
    "reject": Word(_("Rejected"), "cross", "bad"),
    "request_changes": Word(_("Changes requested"), "pencil", "warn"),
}

# What people were told, and what stands beside it.
NOTICES: dict[str, Word] = {
    Kind.REVIEW_ASSIGNED: Word(_("A review waits for you"), "review", "info"),
    Kind.REVIEW_BREAK_GLASS: Word(_("Somebody breaks the glass for a review"), "alert", "bad"),
    Kind.REVIEW_BREAK_GLASS_OVERDUE: Word(
        _("Nobody has judged an emergency approval in time"), "alert", "bad"
    ),
    Kind.REVIEW_DECIDED: Word(_("A review of yours is over"), "check"),
    Kind.REVIEW_DUE_SOON: Word(_("A review is due soon"), "clock", "warn"),
    Kind.REVIEW_ESCALATED: Word(_("A review was passed on to you"), "flag", "warn"),
    Kind.REVIEW_MENTIONED: Word(_("Somebody mentioned you in a review"), "person", "info"),
    Kind.REVIEW_OVERDUE: Word(_("A review is overdue"), "alert", "bad"),
    Kind.REVIEW_REPLIED: Word(_("Somebody answered your remark"), "pencil", "info"),
}

# What is under review, where it is no image.
KINDS: dict[str, str | Promise] = {
    "template_version": _("Template"),
    "review_policy": _("Review policy"),
    "rule_set": _("Brand rules"),
    "scoring_policy": _("Scoring policy"),
}

SCORERS: dict[str, str | Promise] = {
    "safety": _("Safety"),
    "prompt_match": _("Prompt match"),
    "sharpness": _("Sharpness"),
    "exposure": _("Exposure"),
    "contrast": _("Contrast"),
    "aesthetics": _("Aesthetics"),
}


@dataclass(frozen=True, slots=True)
class Scale:
    """Which way a scorer points and between which values its bar is drawn.

    `highest` is None where there is no end: then the bar ends at twice the threshold.
    """

    is_higher_better: bool
    lowest: float = 0.0
    highest: float | None = 1.0


SCALES: dict[str, Scale] = {
    "safety": Scale(is_higher_better=False),
    "prompt_match": Scale(is_higher_better=True, lowest=-1.0),
    "sharpness": Scale(is_higher_better=True, highest=None),
    "exposure": Scale(is_higher_better=False),
    "contrast": Scale(is_higher_better=True, highest=0.5),
}


def state(name: str) -> Word:
    """Return the word for a state; an unknown one is shown as it is, never hidden."""
    return STATES.get(name) or Word(name.replace("_", " ").capitalize(), "info")


def kind(name: str) -> str:
    """Return what is under review; nothing for an image, which speaks for itself."""
    return str(KINDS.get(name, ""))


def notice(kind: str) -> Word:
    """Return the word for what a person was told; an unknown one is shown as it is."""
    return NOTICES.get(kind) or Word(kind.rpartition(".")[2].replace("_", " ").capitalize(), "info")


def role(name: str) -> str:
    """Return a role's name for the screen."""
    return str(ROLES.get(name, name.replace("_", " ").capitalize()))


def scorer(name: str) -> str:
    """Return a scorer's name for the screen."""
    return str(SCORERS.get(name, name.replace("_", " ").capitalize()))


def is_hex(text: str) -> bool:
    """Tell whether a text is a color as # and six hex digits.

    >>> is_hex("#1f6feb"), is_hex("red"), is_hex('#1f6feb"')
    (True, False, False)
    """
    return HEX.fullmatch(text) is not None


def share(scorer_name: str, value: float | None, threshold: float | None) -> float | None:
    """Return where a value lies on its scorer's bar, 0..1; None where no bar can be drawn.

    >>> share("safety", 0.25, 0.8), share("sharpness", 10.0, 20.0), share("unheard_of", 1.0, 1.0)
    (0.25, 0.25, None)
    """
    scale = SCALES.get(scorer_name)
    if scale is None or value is None:
        return None
    highest = scale.highest if scale.highest is not None else 2 * (threshold or 0.0)
    if highest <= scale.lowest:
        return None
    return min(max((value - scale.lowest) / (highest - scale.lowest), 0.0), 1.0)


def limit(scorer_name: str, threshold: float | None) -> str:
    """Return what a score must keep to, as a comparison; empty without a rule.

    >>> limit("safety", 0.8), limit("contrast", 0.05), limit("safety", None)
    ('< 0.80', '≥ 0.05', '')
    """
    scale = SCALES.get(scorer_name)
    if scale is None or threshold is None:
        return ""
    return f"{'≥' if scale.is_higher_better else '<'} {threshold:.2f}"
