"""A refusal in plain words: where it was stopped, why, by which measure, and what to do now."""

from django.utils.translation import gettext as _

from governance.kernel.roles import Role


def explain(
    *,
    stage: str,
    reason: str,
    scorer: str,
    score: float | None,
    threshold: float | None,
    overridable_by: str,
) -> str:
    """Explain a refusal to the person who asked, in full sentences.

    `overridable_by` is a role, or empty where nobody may override it.
    """
    openings = {
        "prompt": _("This was refused before any image was made."),
        "image": _("The image was made, then refused."),
        "gate": _("This was not let out."),
        "quota": _("This was refused because the quota does not allow it."),
        "licence": _("This was refused because a licence does not allow it."),
        "endpoint": _("This was refused because it would have been sent where it may not be."),
        "rights": _("This was refused because the rights in a picture do not allow it."),
    }
    sentences = [openings[stage], _as_sentence(reason)]
    if score is not None and threshold is not None:
        sentences.append(
            _("%(scorer)s measured %(score)s; the limit is %(threshold)s.")
            % {"scorer": scorer, "score": _figure(score), "threshold": _figure(threshold)}
        )
    elif score is not None:
        sentences.append(
            _("%(scorer)s measured %(score)s.") % {"scorer": scorer, "score": _figure(score)}
        )
    sentences.append(what_to_do(stage=stage, overridable_by=overridable_by))
    return " ".join(sentences)


def what_to_do(*, stage: str, overridable_by: str) -> str:
    """Say what helps after a refusal: an appeal, or what to do where nobody may override it."""
    remedies = {
        "gate": _(
            "Nobody overrides the gate. It opens once a complete review has approved exactly this "
            "image and its marks are complete; ask the brand's reviewers what is missing."
        ),
        "quota": _(
            "Nobody overrides a quota. Order fewer images, or ask for more: that is decided by "
            "somebody else, and the order can then be placed again."
        ),
        "licence": _(
            "Nobody overrides a licence. Choose another model, or ask a platform admin for one "
            "whose agreed licence permits this purpose."
        ),
        "rights": _(
            "Nobody overrides the rights in a picture. Choose another one, or state its rights "
            "anew; where people are shown, a data steward confirms them."
        ),
        "endpoint": _(
            "Nobody overrides this. Choose another model, or ask the brand's data steward and a "
            "platform admin which endpoints its data may be sent to."
        ),
    }
    if stage in remedies:
        return remedies[stage]
    return _(
        "Only %(role)s who had no part in it may override this, and must give a reason. "
        "If you believe it is wrong, appeal."
    ) % {"role": _roles()[Role(overridable_by)]}


def _roles() -> dict[Role, str]:
    return {
        Role.AUDITOR: _("an auditor"),
        Role.BRAND_MANAGER: _("a brand manager"),
        Role.BRAND_REVIEWER: _("a brand reviewer"),
        Role.COMPLIANCE_REVIEWER: _("a compliance reviewer"),
        Role.DATA_STEWARD: _("a data steward"),
        Role.MARKETER: _("a marketer"),
        Role.PLATFORM_ADMIN: _("a platform admin"),
    }


def _as_sentence(text: str) -> str:
    """Close the reason with a full stop if it has no end.

    >>> _as_sentence("The word is blocked"), _as_sentence("Is it?")
    ('The word is blocked.', 'Is it?')
    """
    return text if text[-1:] in {".", "!", "?"} else f"{text}."


def _figure(value: float) -> str:
    """Write a score with three significant digits.

    >>> _figure(0.91234), _figure(12.0)
    ('0.912', '12')
    """
    return f"{value:.3g}"
