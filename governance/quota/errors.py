"""What can go wrong with the quota; nothing has been written when one of these is raised."""

from governance.kernel.errors import DomainError


class QuotaExceeded(DomainError):
    """One of the holders has too little left in this period, or was never granted any."""

    code = "quota_exceeded"


class NeverReserved(DomainError):
    """The item has no reservation that could be settled or refunded."""

    code = "quota_never_reserved"
    status = 409


class AlreadyClosed(DomainError):
    """The item's reservation was settled or refunded before: it cannot be reserved again."""

    code = "quota_already_closed"
    status = 409


class AlreadyAsked(DomainError):
    """The same person's request for more on this account still waits for a decision."""

    code = "quota_already_asked"
    status = 409
