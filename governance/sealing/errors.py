"""What can go wrong with sealed text; none of these ever carries the text or a key."""

from governance.kernel.errors import DomainError


class KeyMissing(DomainError):
    """The installation's sealing key is not where the settings say."""

    code = "sealing_key_missing"
    status = 503


class KeyUnsafe(DomainError):
    """The installation's sealing key has the wrong size, or others can read it."""

    code = "sealing_key_unsafe"
    status = 503


class KeyExists(DomainError):
    """There is a sealing key already: another would make everything sealed unreadable."""

    code = "sealing_key_exists"
    status = 409


class SealBroken(DomainError):
    """The bytes are not sealed text, were altered, or were sealed for another purpose."""

    code = "seal_broken"
    status = 500


class HoldStands(DomainError):
    """The person is under a legal hold already; in this brand one stands at a time."""

    code = "hold_stands"
    status = 409


class HoldLifted(DomainError):
    """The legal hold was lifted before."""

    code = "hold_lifted"
    status = 409


class PersonHeld(DomainError):
    """The person's texts are under a legal hold: they are kept until it is lifted."""

    code = "person_held"
    status = 409
