"""What kinds of adapters there are, and where a server may stand."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class AdapterKind(TextChoices):
    """A LoRA changes the model's layers; a ControlNet makes it follow a picture."""

    LORA = "lora", _("look")
    CONTROLNET = "controlnet", _("outlines")


class EndpointPlace(TextChoices):
    """Where a server stands that images are made at; in this process there is none to name."""

    INSIDE = "inside", _("inside the perimeter")
    EXTERNAL = "external", _("outside of the perimeter")
