"""What can go wrong with a licence; nothing has been written when one of these is raised."""

from governance.kernel.errors import DomainError


class TextDiffers(DomainError):
    """The licence's text does not have the SHA-256 that goes with it."""

    code = "licence_text_differs"
