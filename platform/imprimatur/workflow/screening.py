"""Screens the words of an order against the brand's rules for its market, and says what was found.

Nothing is recorded here: `order` turns a finding into a refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from governance.kernel.roles import Role
from templates.brands import screening
from templates.brands.markets import Market
from templates.brands.records import RulesRecord
from templates.brands.screening import Violation

# Who may override the refusal of a prompt.
OVERRIDING_ROLE = Role.COMPLIANCE_REVIEWER


@dataclass(frozen=True, slots=True)
class Finding:
    """Words that a rule of the brand refuses, where they stand, and what to do about them.

    `field` is a variable's name, empty for the finished prompt; `found` is what was typed there,
    from `start` to before `end` in code points.
    """

    field: str
    start: int
    end: int
    found: str
    category: str
    reason: str
    next_step: str
    overridable_by: str = OVERRIDING_ROLE.value

    @property
    def pointer(self) -> str:
        """Return the JSON pointer to what has to change."""
        return f"/variables/{self.field}" if self.field else "/variables"


def first(
    rules: RulesRecord, market: Market | None, variables: Mapping[str, Any], prompt: str
) -> Violation | None:
    """Return what an order is refused for. Raises: InvalidInput for a text that is too long."""
    return screening.screen(rules.rules, _texts(variables, prompt), market)


def find_all(
    rules: RulesRecord, market: Market | None, variables: Mapping[str, Any], prompt: str
) -> tuple[Finding, ...]:
    """Return everything that an order would be refused for, up to a number; raises as `first`."""
    found = screening.screen_all(rules.rules, _texts(variables, prompt), market)
    return tuple(finding_of(violation) for violation in found)


def finding_of(violation: Violation) -> Finding:
    """Return a violation as the requester reads it."""
    return Finding(
        field=violation.field,
        start=violation.start,
        end=violation.end,
        found=violation.found,
        category=violation.category,
        reason=violation.reason,
        next_step=_next_step(violation),
    )


def _texts(variables: Mapping[str, Any], prompt: str) -> dict[str, str]:
    """Return each variable, then the whole prompt: a phrase can be split over two variables."""
    return {**{name: str(value) for name, value in variables.items()}, "": prompt}


def _next_step(violation: Violation) -> str:
    if violation.field:
        return _("Write “%(field)s” without “%(found)s” and order again, or appeal.") % {
            "field": violation.field.replace("_", " "),
            "found": violation.found,
        }
    return _(
        "“%(found)s” stands in the finished prompt, made of several fields or of the template's "
        "own words: change a field beside it and order again, tell a brand manager, or appeal."
    ) % {"found": violation.found}
