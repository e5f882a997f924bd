"""Released templates with their variables' JSON Schema, and a preview that records nothing."""

from uuid import UUID

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from governance.kernel import clock
from governance.policy.permissions import Permission
from imprimatur.api.endpoints import Endpoint, operation, page_of
from imprimatur.api.fields import Filters, Identity, Text, Variables, Whole
from imprimatur.api.pagination import slice_by_id
from imprimatur.api.wishes import WishInput, take_wish
from imprimatur.workflow import order
from templates.prompts import selectors as prompts


class SizeOutput(serializers.Serializer):
    """One size that the template allows."""

    width = serializers.IntegerField()
    height = serializers.IntegerField()


class ContentOutput(serializers.Serializer):
    """What a person may fill in and choose; the prompt itself stays with those who review it."""

    description = serializers.CharField(default="", allow_blank=True)
    schema = serializers.DictField(help_text="JSON Schema 2020-12 of the variables.")
    starter = serializers.DictField(help_text="Values to begin with.")
    sizes = SizeOutput(many=True)
    profiles = serializers.ListField(
        child=serializers.CharField(),
        help_text="The model profiles that may render it; the first is the default.",
    )
    parameters = serializers.DictField(help_text="The ranges that the template allows.")


@extend_schema_serializer(component_name="Template")
class TemplateOutput(serializers.Serializer):
    """One template with its released version; the last five are null while there is none."""

    id = serializers.UUIDField()
    brand_id = serializers.UUIDField()
    slug = serializers.CharField()
    name = serializers.CharField()
    released_at = serializers.DateTimeField(allow_null=True)
    version_id = serializers.UUIDField(source="released.id", allow_null=True)
    number = serializers.IntegerField(source="released.number", allow_null=True)
    sha256 = serializers.CharField(source="released.sha256", allow_null=True)
    content = ContentOutput(source="released.content", allow_null=True)


@extend_schema_serializer(component_name="PreviewRequest")
class PreviewInput(WishInput):
    """What an order would hold."""

    variables = Variables(help_text="By name, as the template's JSON Schema asks.")
    variants = Whole(default=1, min_value=1)
    profile = Text(required=False, max_length=60, help_text="A model profile; default: the first.")
    width = Whole(required=False, help_text="Pixels; with height, one of the template's sizes.")
    height = Whole(required=False, help_text="Pixels.")
    market = Text(
        required=False, max_length=2, help_text="One of the brand's markets; default: its first."
    )


@extend_schema_serializer(component_name="PromptFinding")
class FindingOutput(serializers.Serializer):
    """Words that a rule of the brand refuses, and where they stand."""

    pointer = serializers.CharField(help_text="What has to change, as a JSON Pointer.")
    field = serializers.CharField(
        allow_blank=True, help_text="The variable; empty for the finished prompt."
    )
    start = serializers.IntegerField(help_text="Where they begin there, in code points.")
    end = serializers.IntegerField(help_text="The code point behind them.")
    found = serializers.CharField(help_text="As they were typed.")
    category = serializers.CharField()
    reason = serializers.CharField()
    next_step = serializers.CharField()
    overridable_by = serializers.CharField(help_text="The role that may override it.")


@extend_schema_serializer(component_name="AccountAfter")
class AccountAfterOutput(serializers.Serializer):
    """One of the three accounts that an order uses."""

    holder_kind = serializers.CharField(help_text="user, brand, or model.")
    left = serializers.IntegerField(help_text="Images left now.")
    after = serializers.IntegerField(help_text="Images left after it; below 0 it is refused.")


@extend_schema_serializer(component_name="Costs")
class CostsOutput(serializers.Serializer):
    """Money, as exact amounts; null where no price is set, or no time is known."""

    own = serializers.DecimalField(
        20, 4, allow_null=True, help_text="The device's time at this installation's price."
    )
    hosted = serializers.DecimalField(
        20, 4, allow_null=True, help_text="What a hosted service would ask for the images."
    )
    currency = serializers.CharField(help_text="ISO 4217.")


@extend_schema_serializer(component_name="Estimate")
class EstimateOutput(serializers.Serializer):
    """What an order would take."""

    images = serializers.IntegerField()
    gpu_s = serializers.FloatField(
        allow_null=True,
        help_text="Seconds of the device's work, from recent images of that model and size; null "
        "if none was measured.",
    )
    costs = CostsOutput()
    accounts = AccountAfterOutput(many=True, help_text="Empty for whoever may not order.")


@extend_schema_serializer(component_name="Preview")
class PreviewOutput(serializers.Serializer):
    """What an order would ask of the model."""

    prompt = serializers.CharField()
    negative_prompt = serializers.CharField(allow_blank=True)
    images = serializers.IntegerField(help_text="How many images of quota it would take.")
    violation = serializers.CharField(
        allow_null=True, help_text="Why the brand's rules would refuse it; null if they would not."
    )
    queued_before = serializers.IntegerField(
        help_text="How many images wait in the same queue; counted up to 1000."
    )
    image_s = serializers.FloatField(
        allow_null=True,
        help_text="Seconds that one image took lately (the median of up to 50); null if unknown.",
    )
    estimate = EstimateOutput()
    findings = FindingOutput(many=True, help_text="Up to 20 places, the first one refuses it.")
    market = serializers.CharField(allow_blank=True, help_text="Empty for a brand without any.")
    final_width = serializers.IntegerField(help_text="Pixels, after all steps of the template.")
    final_height = serializers.IntegerField(help_text="Pixels, after all steps of the template.")


class TemplateFilters(Filters):
    """Which templates."""

    brand_id = Identity(required=False)


class TemplateList(Endpoint):
    """All released templates."""

    @operation(
        "list_templates",
        "List released templates",
        needs=Permission.PROMPTS_TEMPLATE_READ,
        query=TemplateFilters,
        gives=page_of(TemplateOutput),
    )
    def get(self, _request: Request) -> Response:
        """Answer a page of the templates that can be ordered from."""
        filters = self.filtered(TemplateFilters)
        rows = prompts.list_templates(
            self.actor, brand_id=filters.get("brand_id"), released_only=True
        )
        return self.paged(
            filters, TemplateOutput, lambda after, limit: slice_by_id(rows, after, limit)
        )


class TemplateDetail(Endpoint):
    """One template."""

    @operation(
        "get_template",
        "Get a template",
        needs=Permission.PROMPTS_TEMPLATE_READ,
        gives=TemplateOutput,
        refuses=[404],
    )
    def get(self, _request: Request, template_id: UUID) -> Response:
        """Answer one template with its released version."""
        return Response(TemplateOutput(prompts.get_template(self.actor, template_id)).data)


class TemplatePreview(Endpoint):
    """The preview of an order."""

    @operation(
        "preview_template",
        "Preview an order",
        needs=Permission.PROMPTS_TEMPLATE_READ,
        takes=PreviewInput,
        gives=PreviewOutput,
        refuses=[404, 409, 429],
        description="Compiles and screens; nothing is recorded and no quota is touched. Made to be "
        "asked while somebody types: beyond a number in a minute it answers 429.",
    )
    def post(self, _request: Request, template_id: UUID) -> Response:
        """Compile an order without placing it."""
        wanted = self.parsed(PreviewInput)
        wish = take_wish(wanted)
        preview = order.preview(
            actor=self.actor, template_id=template_id, now=clock.now(), wish=wish, **wanted
        )
        return Response(PreviewOutput(preview).data)
