"""Reads a form with one file: Django parses it once, in memory, and no part of it comes twice."""

from collections.abc import Mapping
from typing import IO, Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.parsers import BaseParser, DataAndFiles

from governance.kernel.errors import InvalidInput
from imprimatur.api.endpoints import Endpoint

MEDIA_TYPE = "multipart/form-data"


class FormParser(BaseParser):
    """Takes the form as Django reads it: the CSRF check may have read it before."""

    media_type = MEDIA_TYPE

    def parse(
        self,
        stream: IO[Any],  # noqa: ARG002 (Django's request reads itself)
        media_type: str | None = None,  # noqa: ARG002 (the framework passes it)
        parser_context: Mapping[str, Any] | None = None,
    ) -> DataAndFiles:
        """Return fields and files. Raises: MultiPartParserError and its kin, mapped in problems."""
        plain = (parser_context or {})["request"]._request  # noqa: SLF001 (the plain request)
        return DataAndFiles(plain.POST, plain.FILES)


class UploadEndpoint(Endpoint):
    """An address that takes a form with a file."""

    parser_classes = [FormParser]
    body_type = MEDIA_TYPE

    def uploaded(self, shape: type[serializers.Serializer]) -> dict[str, Any]:
        """Return the checked form. Raises: ValidationError, InvalidInput for a part twice."""
        data = self.request.data
        # A body that is missing altogether comes as an empty value, not as a form.
        form = data if isinstance(data, QueryDict) else QueryDict()
        for name in form:
            if len(form.getlist(name)) > 1:
                raise InvalidInput(
                    _("%(name)s can be given once.") % {"name": name},
                    pointer=f"/{name}",
                    rule="once",
                )
        checked = shape(data=form.dict())
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)
