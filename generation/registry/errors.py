"""What can be wrong with what images are made with."""

from governance.kernel.errors import DomainError


class AdapterRetired(DomainError):
    """An adapter is out of use, so nothing new rests on it."""

    code = "adapter_retired"
    status = 409


class UnknownConvention(DomainError):
    """There is no convention of that name."""

    code = "unknown_convention"
    status = 404


class ConventionMismatch(DomainError):
    """The model is of another pipeline than the convention that it was to be run by."""

    code = "convention_mismatch"


class LicencePermitsMore(DomainError):
    """The licence on record permits more than the convention says that the model's own does."""

    code = "licence_permits_more"


class EndpointNotAllowed(DomainError):
    """Nothing of this brand may be sent to the endpoint, or it is not in use."""

    code = "endpoint_not_allowed"
    status = 409
