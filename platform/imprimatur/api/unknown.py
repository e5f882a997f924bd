"""Answers every address below /api/ that does not exist, for any method, with a problem."""

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from imprimatur.api.endpoints import PublicEndpoint


@extend_schema(exclude=True)
class Unknown(PublicEndpoint):
    """Nothing is here."""

    authentication_classes = []

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Take any method to the same answer."""
        self.http_method_names = [request.method.lower()]
        for name in self.http_method_names:
            setattr(self, name, self.nothing)
        return super().dispatch(request, *args, **kwargs)

    def nothing(self, _request: Request, **_: Any) -> Response:
        """Say that there is nothing."""
        raise Http404
