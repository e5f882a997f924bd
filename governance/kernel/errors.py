"""The one root of anticipated errors; each subclass lives with its raiser and has a stable code."""

from typing import ClassVar


class DomainError(Exception):
    """An anticipated failure: a stable `code`, a sentence for the user, and facts as fields.

    `status` is the class of failure in HTTP's words, so that every edge maps it in one line:
    400 malformed, 403 not permitted, 404 unknown or hidden, 409 wrong state, 422 refused by a rule.
    `pointer` is an RFC 6901 JSON Pointer to the offending input, where there is one.
    """

    code: ClassVar[str] = "domain_error"
    status: ClassVar[int] = 422

    def __init__(self, detail: str, *, pointer: str | None = None, **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.facts = facts


class InvalidInput(DomainError):
    """Malformed input: names the field (`pointer`) and the rule (`rule` in the facts)."""

    code = "invalid_input"
    status = 400


class NotFound(DomainError):
    """Nothing by that name exists, or this actor may not see it; the two read the same."""

    code = "not_found"
    status = 404
