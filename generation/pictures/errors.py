"""What can go wrong while a picture is taken in; nothing of it is kept then."""

from governance.kernel.errors import DomainError


class DecodingBusy(DomainError):
    """As many pictures are being looked at as this process may look at; send it again."""

    code = "decoding_busy"
    status = 503
