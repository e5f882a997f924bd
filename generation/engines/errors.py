"""What can go wrong in an engine, told apart by what a worker does next."""

from governance.kernel.errors import DomainError


class UnknownPipeline(DomainError):
    """No engine here runs this pipeline class; the model profile must name another."""

    code = "unknown_pipeline"


class ModelUnavailable(DomainError):
    """The model folder is missing, changed, unsafe or broken; an operator must act."""

    code = "model_unavailable"


class DeviceUnavailable(DomainError):
    """The device or number format that the recipe names is not there; nothing else is tried."""

    code = "device_unavailable"


class DeviceExhausted(DomainError):
    """The device ran out of memory; the worker lives, the item may go to a larger device."""

    code = "device_exhausted"


class ModelTooLarge(DomainError):
    """The model alone takes more memory than this worker keeps for models; an operator must act."""

    code = "model_too_large"


class RenderFailed(DomainError):
    """The model was loaded but did not make an image."""

    code = "render_failed"


class EndpointUnavailable(DomainError):
    """The server that was to make the image does not answer, is busy, or is not where it may be."""

    code = "endpoint_unavailable"


class Cancelled(Exception):
    """Raised by `on_step` to stop a render; the engine stays usable and returns nothing."""
