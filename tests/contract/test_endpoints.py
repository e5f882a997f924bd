"""What every endpoint must do, shown in this process and at a server; and what no server may."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from generation.engines import registry as engines
from generation.engines.endpoints import openai_images, registry, servers
from generation.engines.endpoints.in_process import InProcess
from generation.engines.endpoints.openai_images import OpenAIImages
from generation.engines.endpoints.protocol import EngineEndpoint, Model
from generation.engines.endpoints.servers import Server
from generation.engines.errors import Cancelled, EndpointUnavailable, RenderFailed
from generation.engines.spec import PictureRef, RunResult, RunSpec
from generation.packs.manifest import Pack
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import DomainError, InvalidInput
from tests.fakes.images_server import ImagesServer, serving
from tests.packs import shared_pack

PLAIN = {"may_be_plain": True}


@dataclass(frozen=True)
class Place:
    """An endpoint, and an order that it can fulfil."""

    endpoint: EngineEndpoint
    spec: RunSpec


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    return shared_pack(tmp_path_factory)


@pytest.fixture
def server(pack: Pack) -> Iterator[ImagesServer]:
    with serving(ImagesServer(pack)) as server:
        yield server


@pytest.fixture(params=["in_process", "openai_images"])
def place(request: pytest.FixtureRequest, pack: Pack) -> Place:
    if request.param == "in_process":
        return Place(InProcess(), here(pack))
    server = request.getfixturevalue("server")
    return Place(registry.connect(approved(server.url), {}), there())


def here(pack: Pack, **changes: Any) -> RunSpec:
    return replace(
        there(),
        folder=pack.model.folder,
        snapshot_sha256=pack.model.snapshot_sha256,
        pipeline=pack.model.pipeline,
        **changes,
    )


def there(**changes: Any) -> RunSpec:
    facts: dict[str, Any] = {
        "folder": Path("studio/tiny"),
        "snapshot_sha256": "a" * 64,
        "pipeline": "endpoint:studio@1",
        "prompt": "a red mug",
        "negative_prompt": "blurry",
        "width": 128,
        "height": 64,
        "steps": 2,
        "guidance": 4.0,
        "seed": 5,
        "max_sequence_length": 32,
        "device": "cpu",
        "dtype": "float32",
    }
    return RunSpec(**(facts | changes))


def approved(url: str, *, place: str = "inside", **settings: Any) -> Server:
    return servers.read(
        name="studio@1",
        kind="openai_images",
        place=place,
        url=url,
        settings=PLAIN | settings,
    )


def go_on(_done: int, _of: int) -> None:
    """Let it go on."""


def render(server: ImagesServer, spec: RunSpec | None = None, **settings: Any) -> RunResult:
    return OpenAIImages(approved(server.url, **settings)).render(spec or there(), go_on)


class TestEveryEndpoint:
    def test_makes_the_image_that_was_ordered(self, place: Place) -> None:
        steps: list[tuple[int, int]] = []
        made = place.endpoint.render(place.spec, lambda done, of: steps.append((done, of)))
        assert made.pixels.shape == (64, 128, 3)
        assert made.pixels.dtype == np.uint8
        assert made.seconds > 0
        assert steps[-1] == (2, 2)
        assert steps == sorted(steps)

    def test_honours_the_seed_if_it_says_so(self, place: Place) -> None:
        assert place.endpoint.capabilities(model(place)).honours_seed
        first, again, other = (
            place.endpoint.render(replace(place.spec, seed=seed), go_on).pixels_sha256
            for seed in (5, 5, 6)
        )
        assert first == again != other

    def test_states_what_it_is_in_the_facts(self, place: Place) -> None:
        made = place.endpoint.render(place.spec, go_on)
        replayable = place.endpoint.capabilities(model(place)).is_replayable
        assert made.facts["replayable"] == ("yes" if replayable else "no")
        assert made.facts["endpoint"]
        assert made.facts["endpoint.kind"]
        assert made.facts["endpoint.version"]
        assert made.facts["engine"]

    def test_refuses_what_it_cannot_do_and_goes_on(self, place: Place) -> None:
        with pytest.raises(InvalidInput):
            place.endpoint.render(replace(place.spec, references=(picture(),)), go_on)
        assert place.endpoint.render(place.spec, go_on).pixels.any()

    def test_stops_with_what_its_caller_raises_and_goes_on(self, place: Place) -> None:
        def stop(_done: int, _of: int) -> None:
            raise Cancelled

        with pytest.raises(Cancelled):
            place.endpoint.render(place.spec, stop)
        assert place.endpoint.render(place.spec, go_on).pixels.any()

    def test_estimates_without_asking_anybody(self, place: Place) -> None:
        estimate = place.endpoint.estimate(place.spec)
        assert estimate.seconds is None
        assert estimate.price is None


class TestAServer:
    def test_is_told_everything_in_its_own_words_and_makes_the_engines_pixels(
        self, server: ImagesServer, pack: Pack
    ) -> None:
        made = render(server)
        assert server.orders == [
            {
                "model": "studio/tiny",
                "prompt": "a red mug",
                "n": 1,
                "size": "128x64",
                "response_format": "b64_json",
                "seed": 5,
                "num_inference_steps": 2,
                "guidance_scale": 4.0,
                "negative_prompt": "blurry",
            }
        ]
        ours = InProcess().render(here(pack), go_on)
        assert made.pixels_sha256 == ours.pixels_sha256

    def test_states_its_version_and_gets_its_key(self, server: ImagesServer) -> None:
        endpoint = registry.connect(
            approved(f"{server.url}/omni", version_path="/version"), {"api_key": "k"}
        )
        made = endpoint.render(there(), go_on)
        assert made.facts["endpoint.version"] == "9.9.1"
        assert made.facts["endpoint.address"] == "127.0.0.1"
        assert server.paths == ["/omni/version", "/omni/v1/images/generations"]
        assert {each["authorization"] for each in server.headers} == {"Bearer k"}
        assert {each["host"] for each in server.headers} == {server.url.removeprefix("http://")}

    def test_is_asked_for_nothing_that_it_would_leave_out(self, server: ImagesServer) -> None:
        fields = {"steps": "num_inference_steps"}
        with pytest.raises(InvalidInput) as refused:
            render(server, fields=fields)
        assert refused.value.pointer == "/negative_prompt"
        with pytest.raises(InvalidInput) as refused:
            render(server, sizes=["512x512"])
        assert refused.value.pointer == "/width"
        assert server.orders == []

    def test_is_estimated_as_its_approval_says(self, server: ImagesServer) -> None:
        price = {"amount": "0.04", "currency": "EUR"}
        endpoint = registry.connect(approved(server.url, seconds_per_image=2.5, price=price), {})
        estimate = endpoint.estimate(there())
        assert (estimate.seconds, str(estimate.price), estimate.currency) == (2.5, "0.04", "EUR")

    def test_is_asked_again_while_it_is_busy_and_not_for_ever(self, server: ImagesServer) -> None:
        server.ways = ("busy", "busy", "red")
        assert render(server).pixels.any()
        assert len(server.orders) == 3
        server.orders.clear()
        server.ways = ("busy",)
        with pytest.raises(EndpointUnavailable):
            render(server)
        assert len(server.orders) == openai_images.TRIES

    @pytest.mark.parametrize(
        ("way", "error", "says"),
        [
            ("small", RenderFailed, "64 x 64 px"),
            ("black", RenderFailed, "black"),
            ("moving", RenderFailed, "no picture"),
            ("two", RenderFailed, "2 pictures"),
            ("none", RenderFailed, "0 pictures"),
            ("text", RenderFailed, "no picture"),
            ("link", RenderFailed, "cannot be read"),
            ("page", RenderFailed, "cannot be read"),
            ("nested", RenderFailed, "cannot be read"),
            ("huge", RenderFailed, "longer"),
            ("redirect", RenderFailed, "status 307"),
            ("refusing", RenderFailed, "status 400"),
            ("failing", EndpointUnavailable, "status 500"),
            ("cut", EndpointUnavailable, "broke"),
        ],
    )
    def test_that_misbehaves_is_told_apart_asked_once_and_never_quoted(
        self, server: ImagesServer, way: str, error: type[DomainError], says: str
    ) -> None:
        server.ways = (way,)
        with pytest.raises(error) as failed:
            render(server)
        assert says in failed.value.detail
        assert "mug" not in f"{failed.value.detail} {failed.value.facts}"
        assert len(server.orders) == 1
        assert "/elsewhere" not in server.paths
        server.ways = ("red",)
        assert render(server).pixels[0, 0].tolist() == [255, 0, 0]

    @pytest.mark.parametrize("way", ["hang", "drip"])
    def test_that_is_too_slow_is_given_up(self, server: ImagesServer, way: str) -> None:
        server.ways = (way,)
        with pytest.raises(EndpointUnavailable) as failed:
            render(server, timeout_s=0.3)
        assert "in time" in failed.value.detail
        assert server.left.wait(20)

    def test_is_hung_up_on_when_nobody_wants_the_image_any_more(
        self, server: ImagesServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(openai_images, "ASK_EVERY_S", 0.02)
        server.ways = ("hang",)

        def stop_once_asked(_done: int, _of: int) -> None:
            if server.orders:
                raise Cancelled

        endpoint = OpenAIImages(approved(server.url))
        with pytest.raises(Cancelled):
            endpoint.render(there(), stop_once_asked)
        assert server.left.wait(20)

    def test_that_is_not_there_is_unavailable(self, server: ImagesServer) -> None:
        with serving(ImagesServer()) as gone:
            address = gone.url
        with pytest.raises(EndpointUnavailable) as failed:
            OpenAIImages(approved(address)).render(there(), go_on)
        assert "cannot be reached" in failed.value.detail

    def test_works_for_several_threads_at_once(self, server: ImagesServer) -> None:
        server.ways = ("red",)
        made: list[RunResult] = []
        threads = [threading.Thread(target=lambda: made.append(render(server))) for _ in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert len(made) == 3


class TestWhereAServerMayBe:
    @pytest.mark.parametrize(
        ("place", "networks", "addresses"),
        [
            ("inside", [], ["93.184.216.34"]),
            ("inside", [], ["127.0.0.1", "93.184.216.34"]),
            ("inside", [], ["169.254.169.254"]),
            ("inside", [], ["::ffff:93.184.216.34"]),
            ("inside", [], ["2606:4700::1111"]),
            ("inside", [], ["0.0.0.0"]),
            ("inside", ["10.20.0.0/16"], ["127.0.0.1"]),
            ("inside", [], []),
            ("inside", [], ["localhost"]),
        ],
    )
    def test_nothing_is_sent_anywhere_else(
        self, server: ImagesServer, place: str, networks: list[str], addresses: list[str]
    ) -> None:
        at = approved(server.url, place=place, networks=networks)
        with pytest.raises(EndpointUnavailable):
            OpenAIImages(at, resolve=leads_to(*addresses)).render(there(), go_on)
        assert (server.orders, server.paths) == ([], [])

    @pytest.mark.parametrize("networks", [[], ["127.0.0.0/8"]])
    def test_the_same_server_gets_the_order_where_it_may_be(
        self, server: ImagesServer, networks: list[str]
    ) -> None:
        server.ways = ("red",)
        at = approved(server.url, networks=networks)
        made = OpenAIImages(at, resolve=leads_to("127.0.0.1")).render(there(), go_on)
        assert made.facts["endpoint.address"] == "127.0.0.1"
        assert len(server.orders) == 1

    @pytest.mark.parametrize("address", ["127.0.0.1", "10.1.1.1", "::1", "::ffff:10.1.1.1"])
    def test_an_external_one_is_never_inside(self, address: str) -> None:
        at = replace(approved("https://images.example"), place="external")
        with pytest.raises(EndpointUnavailable):
            OpenAIImages(at, resolve=leads_to(address)).render(there(), go_on)

    @pytest.mark.parametrize(
        ("host", "is_vouched_for", "is_reached"),
        [
            ("images.inside.example", True, True),
            ("images.inside.example", False, False),
            ("other.inside.example", True, False),
        ],
    )
    def test_it_must_show_a_certificate_of_its_name_that_somebody_vouches_for(
        self, tmp_path: Path, host: str, is_vouched_for: bool, is_reached: bool
    ) -> None:
        certificate = certificate_for("images.inside.example", tmp_path)
        with serving(ImagesServer(ways=("red",)), certificate) as server:
            url = f"https://{host}:{server.url.rpartition(':')[2]}"
            ca_file = str(certificate[0]) if is_vouched_for else ""
            endpoint = OpenAIImages(
                replace(approved(url), ca_file=ca_file), resolve=leads_to("127.0.0.1")
            )
            if is_reached:
                assert endpoint.render(there(), go_on).pixels.any()
            else:
                with pytest.raises(EndpointUnavailable):
                    endpoint.render(there(), go_on)
            assert len(server.orders) == is_reached


class TestWhatStandsOnRecord:
    @pytest.mark.parametrize(
        ("pointer", "changes"),
        [
            ("/url", {"url": "ftp://inside"}),
            ("/url", {"url": "http://inside/", "settings": {}}),
            ("/url", {"url": "http://inside/", "place": "external"}),
            ("/url", {"url": "https://user:word@inside"}),
            ("/url", {"url": "https://inside/?key=1"}),
            ("/url", {"url": "https://inside:99999"}),
            ("/url", {"url": "https://"}),
            ("/place", {"place": "in_process"}),
            ("/settings/fields", {"settings": {"fields": {"prompt": "text"}}}),
            ("/settings/fields", {"settings": {"fields": {"seed": "prompt"}}}),
            ("/settings/fields", {"settings": {"fields": {"seed": "a", "steps": "a"}}}),
            ("/settings/sizes", {"settings": {"sizes": ["large"]}}),
            ("/settings/sizes", {"settings": {"sizes": "512x512"}}),
            ("/settings/networks", {"settings": {"networks": ["10.0.0.1/8"]}}),
            ("/settings/networks", {"settings": {"networks": "10.0.0.0/8"}}),
            ("/settings/timeout_s", {"settings": {"timeout_s": 0}}),
            ("/settings/timeout_s", {"settings": {"timeout_s": True}}),
            ("/settings/timeout_s", {"settings": {"timeout_s": "60"}}),
            ("/settings/price", {"settings": {"price": {"amount": "-1", "currency": "EUR"}}}),
            ("/settings/price", {"settings": {"price": {"amount": "1"}}}),
            ("/settings/version_path", {"settings": {"version_path": "http://other"}}),
            ("/settings/may_be_plain", {"settings": {"may_be_plain": "yes"}}),
            ("/settings/verify", {"settings": {"verify": False}}),
        ],
    )
    def test_is_refused_by_field_and_rule(self, pointer: str, changes: dict[str, Any]) -> None:
        stated: dict[str, Any] = {
            "name": "studio@1",
            "kind": "openai_images",
            "place": "inside",
            "url": "https://inside",
            "settings": PLAIN,
        }
        with pytest.raises(InvalidInput) as refused:
            servers.read(**(stated | changes))
        assert refused.value.pointer == pointer
        assert refused.value.facts["rule"]
        assert servers.read(**stated).fields == servers.USUAL_FIELDS

    def test_of_an_unknown_kind_is_refused(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            registry.connect(replace(approved("https://inside"), kind="telepathy"), {})
        assert "openai_images" in refused.value.detail

    @pytest.mark.parametrize("wrong", [{"password": "x"}, {"api_key": "é"}, {"api_key": "a\nb"}])
    def test_a_credential_of_another_shape_is_refused(self, wrong: dict[str, str]) -> None:
        with pytest.raises(InvalidInput) as refused:
            registry.connect(approved("https://inside"), wrong)
        assert refused.value.pointer == "/credential"


def test_engines_do_not_mistake_endpoints_for_families() -> None:
    assert not any("endpoints" in module.__name__ for module in engines.discover().values())


def certificate_for(host: str, folder: Path) -> tuple[Path, Path]:
    """Write a certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    day = timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime.now(UTC) - day)
        .not_valid_after(datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "server.pem", folder / "server.key"
    paths[0].write_bytes(made.public_bytes(Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return paths


def leads_to(*addresses: str) -> Callable[[str, int], list[str]]:
    return lambda _host, _port: list(addresses)


def model(place: Place) -> Model:
    return Model(place.spec.pipeline, place.spec.folder)


def picture() -> PictureRef:
    return PictureRef(b"a picture", sha256_hex(b"a picture"))
