"""What kinds of adapters there are."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class AdapterKind(TextChoices):
    """A LoRA changes the model's layers; a ControlNet makes it follow a picture."""

    LORA = "lora", _("look")
    CONTROLNET = "controlnet", _("outlines")
