"""Why something does not leave, told apart by what a person can do about it."""

from governance.kernel.errors import DomainError


class NotApproved(DomainError):
    """No approval of these bytes is on record: there is nothing to release."""

    code = "not_approved"
    status = 409


class NotReleased(DomainError):
    """The asset has no release: its review is open, was rejected, or waits for its checkpoint."""

    code = "not_released"
    status = 409


class ChangesOpen(DomainError):
    """The image was approved with changes around it, and nobody confirmed that they are made."""

    code = "changes_open"
    status = 409


class Withdrawn(DomainError):
    """The release was withdrawn: nothing of it goes out again."""

    code = "release_withdrawn"
    status = 410


class CredentialMissing(DomainError):
    """The publisher cannot resolve the credential that a destination names."""

    code = "credential_missing"
    status = 409


class DestinationClosed(DomainError):
    """The destination was retired, or is no longer where the installation lets bytes go."""

    code = "destination_closed"
    status = 409
