"""A server as two people approved it: address, place, and what it is told and trusted with.

Nothing here is guessed at render time: what differs between servers of one kind is data of theirs.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final, NoReturn
from urllib.parse import SplitResult, urlsplit

from governance.kernel.errors import InvalidInput

INSIDE: Final = "inside"
EXTERNAL: Final = "external"
# What a server may be told beside the words and the size, and what vLLM-Omni calls it.
USUAL_FIELDS: Final[Mapping[str, str]] = {
    "seed": "seed",
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "negative_prompt": "negative_prompt",
}
LONGEST_WAIT_S: Final = 3600.0
_FIELD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PATH = re.compile(r"/[A-Za-z0-9._/-]{1,99}")
_SIZE = re.compile(r"([1-9][0-9]{1,3})x([1-9][0-9]{1,3})")
_CURRENCY = re.compile(r"[A-Z]{3}")

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Server:
    """One approved server.

    `fields` are its names for what an image is made with; what is not among them is not sent, and
    an image that needs it is refused. `networks` are where its host may be; empty: what the place
    says. `version_path` answers with its version under `version_field`; empty: nobody asks.
    """

    name: str
    kind: str
    place: str
    url: SplitResult
    fields: Mapping[str, str]
    sizes: tuple[tuple[int, int], ...] = ()
    networks: tuple[Network, ...] = ()
    version_path: str = ""
    version_field: str = "version"
    timeout_s: float = 300.0
    seconds_per_image: float | None = None
    price: Decimal | None = None
    currency: str = ""
    may_be_plain: bool = False
    ca_file: str = ""


def read(*, name: str, kind: str, place: str, url: str, settings: Mapping[str, Any]) -> Server:
    """Read what stands on record of a server. Raises: InvalidInput, naming the field and rule."""
    if place not in {INSIDE, EXTERNAL}:
        _refuse("place", "choice", f"A server is '{INSIDE}' the perimeter or '{EXTERNAL}'.")
    given = dict(settings)
    price, currency = _price(given)
    server = Server(
        name=name,
        kind=kind,
        place=place,
        url=_url(url),
        fields=_fields(given.pop("fields", None)),
        sizes=_sizes(given.pop("sizes", [])),
        networks=_networks(given.pop("networks", [])),
        version_path=_matched(given, "version_path", _PATH),
        version_field=_matched(given, "version_field", _FIELD) or "version",
        timeout_s=_seconds(given, "timeout_s") or 300.0,
        seconds_per_image=_seconds(given, "seconds_per_image"),
        price=price,
        currency=currency,
        may_be_plain=_flag(given, "may_be_plain"),
    )
    if given:
        _refuse(f"settings/{min(given)}", "unknown", f"There is no setting '{min(given)}'.")
    if server.url.scheme == "http" and (place == EXTERNAL or not server.may_be_plain):
        _refuse(
            "url",
            "scheme",
            "The address must begin with https. Inside the perimeter 'may_be_plain' allows http.",
        )
    return server


def _url(text: str) -> SplitResult:
    """Split an address that is nothing but scheme, host, port and the start of its paths."""
    url = urlsplit(text)
    try:
        port_is_fine = url.port is None or url.port > 0
    except ValueError:
        port_is_fine = False
    is_bare = not (url.query or url.fragment or url.username or url.password)
    if (
        url.scheme not in {"http", "https"}
        or not url.hostname
        or not (is_bare and port_is_fine)
        or (url.path and not _PATH.fullmatch(url.path.rstrip("/") or "/v"))
    ):
        _refuse("url", "url", "The address is https://host[:port][/path], and nothing more.")
    return url._replace(path=url.path.rstrip("/"))


def _fields(given: object) -> Mapping[str, str]:
    if given is None:
        return USUAL_FIELDS
    if not isinstance(given, Mapping) or not given.keys() <= USUAL_FIELDS.keys():
        _refuse("settings/fields", "type", f"Name the server's fields for {_of(USUAL_FIELDS)}.")
    taken = {str(ours): str(theirs) for ours, theirs in given.items()}
    reserved = {"model", "prompt", "size", "n", "response_format"}
    if (
        not all(_FIELD.fullmatch(theirs) for theirs in taken.values())
        or len(set(taken.values())) != len(taken)
        or reserved & set(taken.values())
    ):
        _refuse("settings/fields", "pattern", "Each field of the server has one name of its own.")
    return taken


def _sizes(given: object) -> tuple[tuple[int, int], ...]:
    texts = given if isinstance(given, list) else [None]
    found = [_SIZE.fullmatch(str(text)) for text in texts]
    if not all(found):
        _refuse("settings/sizes", "pattern", "Write each size as width x height: '1024x1024'.")
    return tuple((int(each[1]), int(each[2])) for each in found if each)


def _networks(given: object) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(str(each)) for each in (given if isinstance(given, list) else [""]))
    except ValueError:
        _refuse("settings/networks", "network", "Write each network as '10.20.0.0/16'.")


def _seconds(given: dict[str, Any], name: str) -> float | None:
    value = given.pop(name, None)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or not 0 < value <= LONGEST_WAIT_S:
        _refuse(f"settings/{name}", "range", f"Give seconds above 0, up to {LONGEST_WAIT_S:g}.")
    return float(value)


def _price(given: dict[str, Any]) -> tuple[Decimal | None, str]:
    """Read what one image costs: {"amount": "0.04", "currency": "EUR"}; none means unknown."""
    found = given.pop("price", None)
    if found is None:
        return None, ""
    try:
        amount, currency = Decimal(found["amount"]), str(found["currency"])
    except (InvalidOperation, KeyError, TypeError, ValueError):
        amount, currency = Decimal("NaN"), ""
    if not amount.is_finite() or amount < 0 or not _CURRENCY.fullmatch(currency):
        _refuse("settings/price", "type", "A price has an 'amount', as text, and a 'currency'.")
    return amount, currency


def _flag(given: dict[str, Any], name: str) -> bool:
    value = given.pop(name, False)
    if not isinstance(value, bool):
        _refuse(f"settings/{name}", "type", f"'{name}' is true or false.")
    return value


def _matched(given: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = given.pop(name, "")
    if value and (not isinstance(value, str) or not pattern.fullmatch(value)):
        _refuse(f"settings/{name}", "pattern", f"'{name}' is not written as it must be.")
    return str(value)


def _of(names: Mapping[str, str]) -> str:
    return ", ".join(sorted(names))


def _refuse(field: str, rule: str, detail: str) -> NoReturn:
    raise InvalidInput(detail, pointer=f"/{field}", rule=rule)
