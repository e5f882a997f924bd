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


class RenderFailed(DomainError):
    """The model was loaded but did not make an image."""

    code = "render_failed"


class Cancelled(Exception):
    """Raised by `on_step` to stop a render; the engine stays usable and returns nothing."""
