"""What every endpoint is made of: who asks, checked input, one call, one answer, a description."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType, ValidationError
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.kernel.errors import InvalidInput
from governance.policy.permissions import Permission
from imprimatur.accounts import people
from imprimatur.api import idempotency, pagination, problems
from imprimatur.api.fields import Filters, Input
from imprimatur.api.idempotency import Answer
from imprimatur.api.parsing import StrictJSONParser

PUBLIC = "public"
SIGNED_IN = "signed-in"

Operation = TypeVar("Operation", bound=Callable[..., Any])

_MEANINGS = {
    400: "The request is malformed, or a field breaks a rule.",
    401: "Nobody is signed in, or the key does not hold.",
    403: "You may see this, but not do it; or the CSRF token is missing.",
    404: "Nothing by that name exists, or you may not see it.",
    405: "The address does not have this method.",
    409: "The thing is in a state that does not allow it.",
    410: "It was withdrawn, for good.",
    413: "The body is too large.",
    415: "The body is of another media type than this address takes.",
    422: "A rule refuses it, or the Idempotency-Key was used for another request.",
    429: "Too many attempts; Retry-After says when to try again.",
    500: "Something failed on our side.",
    503: "The service is not available at this moment.",
}
_IDEMPOTENCY_KEY = OpenApiParameter(
    name=idempotency.HEADER,
    type=str,
    location=OpenApiParameter.HEADER,
    required=True,
    description="1 to 255 visible ASCII characters, new for each new request. Sent again with the "
    "same body, it brings the first answer again, with `Idempotency-Replayed: true`.",
)


class AnyAccept(BaseContentNegotiation):
    """Answers with what the endpoint has, whatever `Accept` says (RFC 9110, section 12.4.1)."""

    def select_parser(self, request: Request, parsers: Iterable[Any]) -> Any:
        """Choose by the body's media type; None if none fits, which becomes a 415."""
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 (the framework passes it)
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002 (the framework passes it)
    ) -> tuple[BaseRenderer, str]:
        """Choose the only one."""
        only = next(iter(renderers))
        return only, str(only.media_type)


class Endpoint(APIView):
    """One resource's address; a method parses, makes one call and answers."""

    parser_classes = [StrictJSONParser]
    content_negotiation_class = AnyAccept
    permission_classes = [IsAuthenticated]
    body_type = StrictJSONParser.media_type

    @property
    def actor(self) -> Actor:
        """Return who asks."""
        return people.actor_from_request(self.request)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a body of another type first: the CSRF check would read a form for its token."""
        media_type = (request.content_type or "").split(";")[0].strip().lower()
        has_body = request.META.get("CONTENT_LENGTH") not in {None, "", "0"}
        if has_body and media_type != self.body_type:
            raise UnsupportedMediaType(media_type)
        super().initial(request, *args, **kwargs)

    def parsed(self, shape: type[serializers.Serializer]) -> dict[str, Any]:
        """Return the checked body. Raises: ValidationError, MalformedJson, PayloadTooLarge."""
        checked = shape(data=self.request.data)
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)

    def filtered(self, shape: type[Filters] = Filters) -> dict[str, Any]:
        """Return the checked query. Raises: InvalidInput naming the parameter."""
        query = self.request.query_params
        for name in query:
            if len(query.getlist(name)) > 1:
                raise InvalidInput(
                    _("%(name)s can be given once.") % {"name": name}, parameter=name, rule="once"
                )
        checked = shape(data=query.dict())
        try:
            checked.is_valid(raise_exception=True)
        except ValidationError as error:
            first = next(problems.flatten(error.detail))
            raise InvalidInput(
                first["detail"], parameter=first["pointer"].lstrip("/"), rule=first["rule"]
            ) from error
        return dict(checked.validated_data)

    def paged(
        self,
        filters: Mapping[str, Any],
        output: type[serializers.Serializer],
        fetch: Callable[[Any, int], Sequence[Any]],
    ) -> Response:
        """Answer one page of `fetch(after, limit)`."""
        return pagination.respond(self.request, dict(filters), output, fetch)

    def once(self, act: Callable[[str, datetime], Answer], *, said: Any = None) -> Response:
        """Run `act(key, now)` once for the request's Idempotency-Key, and answer.

        `said` stands for a body that is no JSON.
        """
        now = clock.now()
        return idempotency.once(self.request, self.actor, now, lambda key: act(key, now), said=said)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep answers out of shared caches: each depends on who asks."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer.headers.setdefault("Cache-Control", "no-store")
        patch_vary_headers(answer, ["Authorization", "Cookie"])
        return answer


class PublicEndpoint(Endpoint):
    """An address that anybody may ask."""

    permission_classes = [AllowAny]


def operation(
    operation_id: str,
    summary: str,
    *,
    needs: Permission | str,
    takes: type[Input] | None = None,
    gives: Any = None,
    status: int = 200,
    media_type: str = "application/json",
    query: type[Filters] | None = None,
    creates: bool = False,
    refuses: Sequence[int] = (),
    headers: Mapping[str, str] | None = None,
    description: str = "",
) -> Callable[[Operation], Operation]:
    """Describe a method completely: its input, its answer, its problems and what it needs."""
    parameters: list[Any] = [query] if query else []
    statuses = {500, 503, *refuses}
    if needs != PUBLIC:
        statuses |= {401, 403}
    if query:
        statuses.add(400)
    if takes:
        statuses |= {400, 413, 415}
    if creates:
        parameters.append(_IDEMPOTENCY_KEY)
        statuses |= {400, 409, 422}
    parameters += [
        OpenApiParameter(
            name=name,
            type=str,
            location=OpenApiParameter.HEADER,
            response=[status],
            description=meaning,
        )
        for name, meaning in (headers or {}).items()
    ]
    responses: dict[Any, Any] = {
        (status, media_type): OpenApiResponse(gives, description=_success(status))
        if gives is not None
        else OpenApiResponse(description=_success(status))
    }
    if gives is None:
        responses = {status: OpenApiResponse(description=_success(status))}
    for each in sorted(statuses):
        responses[each, problems.MEDIA_TYPE] = OpenApiResponse(
            problems.Problem, description=_MEANINGS[each]
        )
    decorate = extend_schema(
        operation_id=operation_id,
        summary=summary,
        description=description or None,
        request={takes.body_type: takes} if takes else None,
        responses=responses,
        parameters=parameters,
        auth=[] if needs == PUBLIC else None,
        extensions={"x-imprimatur-needs": str(needs)},
    )

    def wrap(method: Operation) -> Operation:
        described: Operation = decorate(method)
        described.needs = str(needs)  # type: ignore[attr-defined]
        return described

    return wrap


def page_of(output: type[serializers.Serializer]) -> serializers.Serializer:
    """Describe one page of `output`."""
    name = output.__name__.removesuffix("Output")
    page: serializers.Serializer = inline_serializer(
        f"{name}Page",
        {
            "items": output(many=True),
            "next": serializers.URLField(
                allow_null=True, help_text="Where the next page is; null on the last one."
            ),
        },
    )
    return page


BYTES = OpenApiTypes.BINARY


def _success(status: int) -> str:
    return {
        200: "Done.",
        201: "Created; Location names it.",
        202: "Accepted; Location says where to watch it.",
        204: "Done; there is nothing to say.",
    }[status]
