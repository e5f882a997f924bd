"""The words of a refusal and of its appeal: where it was stopped, who may lift it, and how."""

from collections.abc import Mapping
from types import MappingProxyType

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _

from governance.kernel.lifecycle import Lifecycle
from governance.kernel.roles import Role


class Stage(TextChoices):
    """Where it was stopped."""

    PROMPT = "prompt", _("the prompt")
    IMAGE = "image", _("the image")
    GATE = "gate", _("the publish gate")
    QUOTA = "quota", _("the quota")
    LICENCE = "licence", _("the licence")
    ENDPOINT = "endpoint", _("the endpoint")
    RIGHTS = "rights", _("the rights in a picture")


# A judgement can be wrong, so a person may override it; a quota, a licence, the gate, the
# rights in a picture and what may be sent to an endpoint are no judgements: nobody overrides them.
OVERRIDABLE_BY: Mapping[str, Role] = MappingProxyType(
    {
        Stage.PROMPT.value: Role.COMPLIANCE_REVIEWER,
        Stage.IMAGE.value: Role.COMPLIANCE_REVIEWER,
    }
)


class AppealState(TextChoices):
    """Where an appeal stands; what is upheld is the refusal."""

    OPEN = "open", _("open")
    UPHELD = "upheld", _("upheld")
    OVERTURNED = "overturned", _("overturned")
    WITHDRAWN = "withdrawn", _("withdrawn")


class Ruling(TextChoices):
    """What the decision says of the refusal; each is also the act on the appeal."""

    UPHOLD = "uphold", _("uphold")
    OVERTURN = "overturn", _("overturn")


APPEAL = Lifecycle(
    "appeal",
    {
        "uphold": {AppealState.OPEN.value: AppealState.UPHELD.value},
        "overturn": {AppealState.OPEN.value: AppealState.OVERTURNED.value},
        "withdraw": {AppealState.OPEN.value: AppealState.WITHDRAWN.value},
    },
)
