"""What can go wrong while an image is marked or read back; each of these stops the release."""

from governance.kernel.errors import DomainError


class MarkingRefused(DomainError):
    """The image or its claim cannot be marked as it stands."""

    code = "marking_refused"


class MediaTypeUnsupported(MarkingRefused):
    """The bytes are of a kind that no layer can be written into."""

    code = "media_type_unsupported"


class ContainerBroken(MarkingRefused):
    """The file's own structure is damaged, so nothing in it can be trusted."""

    code = "container_broken"


class AlreadyMarked(MarkingRefused):
    """The bytes carry a mark already, and marks are never stripped or overwritten."""

    code = "already_marked"


class ReviewedBytesDiffer(MarkingRefused):
    """The bytes to mark are not the bytes that were reviewed."""

    code = "reviewed_bytes_differ"
    status = 409


class TimestampUnavailable(MarkingRefused):
    """The profile asks for a time-stamp authority, which this publisher has not got."""

    code = "timestamp_unavailable"


class SignerUnusable(DomainError):
    """The signing key or its certificates are missing, exposed, expired or do not fit together."""

    code = "signer_unusable"


class SigningFailed(DomainError):
    """The manifest could not be signed."""

    code = "signing_failed"


class MarkingIncomplete(DomainError):
    """A layer that the profile requires is missing, unreadable, untrusted or says something else.

    The facts hold `layer` and `state`, as the reader found it.
    """

    code = "marking_incomplete"


class ReaderFailed(DomainError):
    """The process that reads manifests died or gave no answer in time."""

    code = "marking_reader_failed"
