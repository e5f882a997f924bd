"""What can go wrong with a prompt template."""

from governance.kernel.errors import DomainError


class NotReviewed(DomainError):
    """The version has no approval of exactly its content, so it cannot be released."""

    code = "not_reviewed"
    status = 409


class NothingReleased(DomainError):
    """No version of the template is released, so nothing can be ordered from it."""

    code = "nothing_released"
    status = 409


class VersionRetired(DomainError):
    """The version was retired meanwhile: nothing made from it goes into review any more."""

    code = "version_retired"
    status = 409


class ContentBroken(DomainError):
    """The stored content does not have its digest any more: somebody changed it beneath us."""

    code = "content_broken"
    status = 409


class ReasonRequired(DomainError):
    """A version is retired with a reason."""

    code = "reason_required"
    status = 422
