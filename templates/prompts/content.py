"""A template's content as exact bytes and back; pure, and nothing is lost on the way.

The digest that an approval names is taken over the RFC 8785 form, which sorts keys. The order of
the variables is what a form is drawn in, so it is written down beside them as `x-order`.
"""

import json
from collections.abc import Mapping
from typing import Any

from governance.kernel.digests import canonical_json

ORDER = "x-order"


def canonical(content: Mapping[str, Any], *, name: str) -> bytes:
    """Write a content, with the template's name, as the bytes that are reviewed."""
    schema = content["schema"]
    ordered = {**schema, ORDER: list(schema["properties"])}
    return canonical_json({**content, "name": name, "schema": ordered})


def restore(text: str) -> dict[str, Any]:
    """Read a content back, its variables in the order in which they were drafted.

    >>> content = {"schema": {"properties": {"b": {}, "a": {}}}}
    >>> list(restore(canonical(content, name="Mug").decode())["schema"]["properties"])
    ['b', 'a']
    """
    content: dict[str, Any] = json.loads(text)
    schema = content["schema"]
    properties = schema["properties"]
    schema["properties"] = {name: properties[name] for name in schema.pop(ORDER)}
    return content


def legible_text(content: Mapping[str, Any], variables: Mapping[str, Any]) -> str | None:
    """Return the words that the image must show legibly, None if the template asks for none.

    >>> content = {"legible": ["claim"], "schema": {"properties": {"claim": {"default": "NEW"}}}}
    >>> legible_text(content, {"claim": "Half price"}), legible_text(content, {})
    ('Half price', 'NEW')
    """
    declared = content["schema"]["properties"]
    words = (
        str(variables.get(name, declared[name].get("default", "")))
        for name in content.get("legible", ())
    )
    return " ".join(filter(None, words)) or None
