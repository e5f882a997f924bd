"""Images from a server that speaks the OpenAI images API with the fields that vLLM-Omni adds to it.

One request to one checked address: no redirects, no proxies, no more bytes than a picture can have.
Such a server tells no steps, so it is asked often whether to go on; if not, the request is aborted.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar

import httpx

from generation.engines.endpoints import addresses, answers
from generation.engines.endpoints.addresses import Resolve
from generation.engines.endpoints.protocol import Capabilities, Estimate, Model, facts_of
from generation.engines.endpoints.servers import Server
from generation.engines.errors import EndpointUnavailable, RenderFailed
from generation.engines.modes import Mode, require_modes
from generation.engines.protocol import OnStep
from generation.engines.spec import RunResult, RunSpec
from governance.kernel.errors import InvalidInput

KIND: Final = "openai_images"
VERSION: Final = f"{KIND}/1"
# How often it is asked whether the image is still wanted.
ASK_EVERY_S = 0.2
CONNECT_S = 10.0
VERSION_S = 10.0
VERSION_MAX_BYTES = 65_536
# Only what certainly did not begin is asked for again: no connection, or "too many requests".
TRIES = 3
LONGEST_PAUSE_S = 30.0
_TOO_MANY = 429
_UNFINISHED = frozenset({408, 425, 500, 502, 503, 504})

T = TypeVar("T")


def connect(server: Server, credential: Mapping[str, str]) -> "OpenAIImages":
    """Return the endpoint; nothing is sent. Raises: InvalidInput for another credential's shape."""
    if not credential.keys() <= {"api_key"}:
        raise InvalidInput(
            "The credential of this kind of endpoint has an 'api_key' and nothing else.",
            pointer="/credential",
            rule="unknown",
        )
    api_key = credential.get("api_key", "")
    if not api_key.isascii() or not api_key.isprintable():
        raise InvalidInput(
            "The 'api_key' of the credential is one line of ASCII.",
            pointer="/credential",
            rule="pattern",
        )
    return OpenAIImages(server, api_key)


class OpenAIImages:
    """One server; each image is one connection, which ends with it."""

    def __init__(
        self, server: Server, api_key: str = "", *, resolve: Resolve = addresses.resolve
    ) -> None:
        """Know the server; `resolve` says where its host is."""
        self._server = server
        self._api_key = api_key
        self._resolve = resolve

    def capabilities(self, model: Model) -> Capabilities:  # noqa: ARG002  the same for all
        """Say what its approval states; what it makes cannot be checked here, so not replayed."""
        fields = self._server.fields
        told = {"guidance": Mode.GUIDANCE, "negative_prompt": Mode.NEGATIVE_PROMPT}
        return Capabilities(
            modes=frozenset(mode for field, mode in told.items() if field in fields),
            sizes=self._server.sizes,
            honours_seed="seed" in fields,
            is_replayable=False,
        )

    def estimate(self, spec: RunSpec) -> Estimate:  # noqa: ARG002  the same for all
        """Say what its approval states."""
        server = self._server
        return Estimate(server.seconds_per_image, server.price, server.currency)

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Ask the server for one image; see `protocol.EngineEndpoint`.

        Raises: InvalidInput for what it cannot do; EndpointUnavailable; RenderFailed; what
        `on_step` raises.
        """
        self._require_possible(spec)
        address = addresses.place_of(self._server, self._resolve)
        began = time.perf_counter()
        version, answer = _watched(self._ask(address, spec), lambda: on_step(0, spec.steps))
        pixels = answers.picture_of(answer, spec)
        on_step(spec.steps, spec.steps)
        return RunResult(
            pixels=pixels,
            seconds=time.perf_counter() - began,
            facts={
                **facts_of(self._server.name, KIND, version, is_replayable=False),
                "engine": VERSION,
                "endpoint.address": str(address),
                "snapshot.sha256.stated": spec.snapshot_sha256,
            },
        )

    def _require_possible(self, spec: RunSpec) -> None:
        """Refuse what the server would not do, or would leave out. Raises: InvalidInput."""
        can = self.capabilities(Model(spec.pipeline, spec.folder))
        require_modes(spec, can.modes)
        if can.sizes and (spec.width, spec.height) not in can.sizes:
            listed = ", ".join(f"{width} x {height}" for width, height in can.sizes)
            raise InvalidInput(
                f"This endpoint makes images of {listed} px.", pointer="/width", rule="choice"
            )

    async def _ask(self, address: addresses.Address, spec: RunSpec) -> tuple[str, bytes]:
        """Return the server's version and its answer. Raises: EndpointUnavailable, RenderFailed."""
        patience = httpx.Timeout(self._server.timeout_s, connect=CONNECT_S)
        try:
            async with (
                asyncio.timeout(self._server.timeout_s),
                httpx.AsyncClient(
                    verify=_trust(self._server), trust_env=False, timeout=patience
                ) as client,
            ):
                wire = _Wire(client, self._server, address, self._api_key)
                return await wire.version(), await wire.image(
                    _body(spec, self._server.fields), answers.most_bytes(spec)
                )
        except httpx.ConnectError as error:
            raise _unavailable(self._server, "cannot be reached") from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise _unavailable(self._server, "did not answer in time") from error
        except httpx.HTTPError as error:
            raise _unavailable(self._server, "broke the connection off") from error


class _Wire:
    """One open client, and the address that every request of it goes to."""

    def __init__(
        self, client: httpx.AsyncClient, server: Server, address: addresses.Address, api_key: str
    ) -> None:
        self._client = client
        self._server = server
        self._address = address
        self._api_key = api_key

    async def version(self) -> str:
        """Ask what the server runs; a server that does not say still makes images."""
        if not self._server.version_path:
            return "not stated"
        request = self._request("GET", self._server.version_path, timeout=VERSION_S)
        status, _pause_s, answer = await self._send(request, VERSION_MAX_BYTES)
        if status != httpx.codes.OK:
            return "not stated"
        return answers.version_of(answer, self._server.version_field)

    async def image(self, body: Mapping[str, Any], most_bytes: int) -> bytes:
        """Order one image; again only where the server certainly did not begin."""
        for tried in range(1, TRIES + 1):
            request = self._request("POST", "/v1/images/generations", json=dict(body))
            try:
                status, pause_s, answer = await self._send(request, most_bytes)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if tried == TRIES:
                    raise _unavailable(self._server, "cannot be reached") from None
                continue
            if status != _TOO_MANY:
                return _accepted(self._server, status, answer)
            if tried < TRIES:
                await asyncio.sleep(min(pause_s, LONGEST_PAUSE_S))
        raise _unavailable(self._server, "has too much to do")

    def _request(self, method: str, path: str, **more: Any) -> httpx.Request:
        """Address the checked place by number; the host's name is for its certificate."""
        url, host = self._server.url, str(self._server.url.hostname)
        headers = {"Host": url.netloc, "Accept": "application/json", "Accept-Encoding": "identity"}
        if self._api_key:
            headers["Authorization"] = f"Bearer {self._api_key}"
        at = f"[{self._address}]" if self._address.version == 6 else str(self._address)  # noqa: PLR2004
        return self._client.build_request(
            method,
            f"{url.scheme}://{at}:{addresses.port_of(self._server)}{url.path}{path}",
            headers=headers,
            extensions={"sni_hostname": host},
            **more,
        )

    async def _send(self, request: httpx.Request, most_bytes: int) -> tuple[int, float, bytes]:
        """Return status, wish for a pause and body; stop reading where it grows too long."""
        answer = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > most_bytes:
                    raise RenderFailed("The endpoint's answer is longer than a picture can be.")
        finally:
            await answer.aclose()
        return answer.status_code, _pause_s(answer), bytes(body)


def _accepted(server: Server, status: int, answer: bytes) -> bytes:
    """Return the answer of a server that did what it was asked to. Raises by its status."""
    if status == httpx.codes.OK:
        return answer
    if status in _UNFINISHED:
        raise _unavailable(server, f"failed (status {status})")
    # Neither a redirect nor a refusal is followed or quoted: the text can repeat the prompt.
    raise RenderFailed(
        f"The endpoint {server.name} did not take the order (status {status}).",
        endpoint=server.name,
        status=status,
    )


def _body(spec: RunSpec, fields: Mapping[str, str]) -> dict[str, Any]:
    """Write the order in the server's words; an empty negative prompt is not sent."""
    values = {
        "seed": spec.seed,
        "steps": spec.steps,
        "guidance": spec.guidance,
        "negative_prompt": spec.negative_prompt,
    }
    return {
        "model": spec.folder.as_posix(),
        "prompt": spec.prompt,
        "n": 1,
        "size": f"{spec.width}x{spec.height}",
        "response_format": "b64_json",
        **{fields[name]: value for name, value in values.items() if name in fields and value != ""},
    }


def _watched(work: Coroutine[Any, Any, T], ask: Callable[[], None]) -> T:
    """Do the work in a loop of its own and ask in between; whatever that raises aborts the work."""
    with asyncio.Runner() as runner:
        task = runner.get_loop().create_task(work)
        try:
            while not task.done():
                runner.run(_wait(task))
                ask()
        finally:
            task.cancel()
            runner.run(_end(task))
        return task.result()


async def _wait(task: "asyncio.Task[Any]") -> None:
    await asyncio.wait({task}, timeout=ASK_EVERY_S)


async def _end(task: "asyncio.Task[Any]") -> None:
    """Wait for it to let its connection go, whatever came of it."""
    await asyncio.gather(task, return_exceptions=True)


def _trust(server: Server) -> ssl.SSLContext | bool:
    """Return which certificates count: the usual authorities, and the one that was named."""
    if not server.ca_file:
        return True
    context = ssl.create_default_context()
    context.load_verify_locations(server.ca_file)
    return context


def _pause_s(answer: httpx.Response) -> float:
    """Return how long a busy server wants to be left alone, as far as it says."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else 1.0


def _unavailable(server: Server, what: str) -> EndpointUnavailable:
    return EndpointUnavailable(
        f"The endpoint {server.name} {what}. Try again later, or choose another model.",
        endpoint=server.name,
    )
