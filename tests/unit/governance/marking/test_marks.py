"""Complete marking or none: every way in which a layer can be missing, foreign, stale or untrue."""

import http.server
import io
import json
import multiprocessing
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import c2pa as library
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from PIL import Image

from governance.kernel.digests import sha256_hex
from governance.marking import authority, c2pa, marks, signing, xmp
from governance.marking.claims import EMBEDDED_PROFILE, TRAINED_ALGORITHMIC_MEDIA, MarkingClaim
from governance.marking.errors import (
    AlreadyMarked,
    ContainerBroken,
    MarkingIncomplete,
    MarkingRefused,
    MediaTypeUnsupported,
    ReaderFailed,
    ReviewedBytesDiffer,
    SigningFailed,
    TimestampUnavailable,
)
from governance.marking.marks import Marked
from governance.marking.signing import FileSigner
from tests.unit.governance.marking.conftest import make_claim


@pytest.fixture
def marked(
    image: bytes, media_type: str, claim: MarkingClaim, signer: FileSigner, anchors: bytes
) -> Marked:
    return marks.mark(image, media_type, claim, signer, anchors=anchors)


@pytest.fixture
def png(images: dict[str, bytes]) -> bytes:
    return images["image/png"]


@dataclass(frozen=True)
class OtherSigner:
    """Signs with a good key under whatever chain it is given."""

    chain_pem: bytes
    inner: FileSigner

    def sign(self, data: bytes) -> bytes:
        return self.inner.sign(data)


class TestMark:
    def test_reads_every_layer_back_before_it_answers(
        self, marked: Marked, media_type: str
    ) -> None:
        assert [(reading.layer, reading.state) for reading in marked.layers] == [
            ("xmp", "present"),
            ("c2pa", "Trusted"),
        ]
        assert marked.sha256 == sha256_hex(marked.data)
        assert marked.media_type == media_type
        assert marked.profile == "embedded@1"

    def test_leaves_every_pixel_as_it_was(self, marked: Marked, image: bytes) -> None:
        with (
            Image.open(io.BytesIO(image)) as before,
            Image.open(io.BytesIO(marked.data)) as after,
        ):
            assert after.tobytes() == before.tobytes()

    def test_carries_the_recorded_decision_in_the_signed_manifest(
        self, marked: Marked, claim: MarkingClaim
    ) -> None:
        facts = dict(marked.layers[1].facts)
        assert str(facts.pop("manifest_id")).startswith("urn:c2pa:")
        assert facts.pop("certificate_serial")
        assert facts == {
            "issuer": "Imprimatur development",
            "action": "c2pa.created",
            "made_at": "2026-08-02T12:30:00.000000Z",
            "digital_source_type": TRAINED_ALGORITHMIC_MEDIA,
            "system": "Demo SD3",
            "system_version": "rev-1",
            "case_id": str(claim.review.case_id),
            "approval_id": str(claim.review.approval_id),
            "policy_version": "two-stage@1",
            "reviewed_sha256": claim.review.reviewed_sha256,
            "ledger_origin": "imprimatur.example/ledger",
            "ledger_leaf_index": 3,
            "ledger_size": 9,
            "ledger_root": "ab" * 32,
            "marking_profile": "embedded@1",
            "timestamp_authority": "none",
        }

    def test_states_its_actions_as_the_signers_own(self, marked: Marked, anchors: bytes) -> None:
        context = library.Context.from_dict({"trust": {"trust_anchors": anchors.decode()}})
        with library.Reader(marked.media_type, io.BytesIO(marked.data), context=context) as reader:
            detailed = json.loads(reader.detailed_json())
        (manifest,) = detailed["manifests"].values()
        claim = manifest.get("claim_v2", manifest["claim"])
        created = " ".join(entry["url"] for entry in claim["created_assertions"])
        assert "c2pa.actions.v2" in created
        assert "org.imprimatur.review" in created
        assert not claim.get("gathered_assertions")

    def test_writes_only_the_layers_that_the_profile_names(
        self, png: bytes, signer: FileSigner, anchors: bytes
    ) -> None:
        claim = replace(make_claim(png), profile=replace(EMBEDDED_PROFILE, layers=("xmp",)))
        marked = marks.mark(png, "image/png", claim, signer, anchors=anchors)
        assert [reading.layer for reading in marked.layers] == ["xmp"]


class TestMarkRefuses:
    def test_bytes_that_were_not_reviewed(
        self, png: bytes, signer: FileSigner, anchors: bytes
    ) -> None:
        with pytest.raises(ReviewedBytesDiffer):
            marks.mark(png, "image/png", make_claim(b"others"), signer, anchors=anchors)

    def test_to_mark_twice(self, marked: Marked, signer: FileSigner, anchors: bytes) -> None:
        claim = make_claim(marked.data)
        with pytest.raises(AlreadyMarked):
            marks.mark(marked.data, marked.media_type, claim, signer, anchors=anchors)

    @pytest.mark.parametrize("layer", ["xmp", "c2pa"])
    def test_to_write_over_a_single_layer_of_somebody_else(
        self, image: bytes, media_type: str, signer: FileSigner, anchors: bytes, layer: str
    ) -> None:
        claim = make_claim(image)
        foreign = (
            xmp.embed(image, xmp.build(claim))
            if layer == "xmp"
            else c2pa.sign(image, claim, signer)
        )
        with pytest.raises(AlreadyMarked):
            marks.mark(foreign, media_type, make_claim(foreign), signer, anchors=anchors)

    def test_bytes_of_another_type_than_recorded(
        self, png: bytes, signer: FileSigner, anchors: bytes
    ) -> None:
        with pytest.raises(MarkingRefused, match="image/jpeg"):
            marks.mark(png, "image/jpeg", make_claim(png), signer, anchors=anchors)

    def test_formats_that_cannot_carry_every_layer(
        self, signer: FileSigner, anchors: bytes
    ) -> None:
        with pytest.raises(MediaTypeUnsupported):
            marks.mark(b"GIF89a", "image/gif", make_claim(b"GIF89a"), signer, anchors=anchors)

    def test_an_image_that_breaks_off(self, png: bytes, signer: FileSigner, anchors: bytes) -> None:
        half = png[: len(png) // 2]
        with pytest.raises(ContainerBroken):
            marks.mark(half, "image/png", make_claim(half), signer, anchors=anchors)

    @pytest.mark.parametrize("layers", [(), ("xmp", "c2pa", "watermark")])
    def test_a_profile_that_it_cannot_keep(
        self, png: bytes, signer: FileSigner, anchors: bytes, layers: tuple[str, ...]
    ) -> None:
        claim = make_claim(png, profile=replace(EMBEDDED_PROFILE, layers=layers))
        with pytest.raises(MarkingRefused):
            marks.mark(png, "image/png", claim, signer, anchors=anchors)

    def test_a_profile_with_a_timestamp_authority(
        self, png: bytes, signer: FileSigner, anchors: bytes
    ) -> None:
        profile = replace(EMBEDDED_PROFILE, timestamp_authority="http://127.0.0.1:9/tsa")
        with pytest.raises(TimestampUnavailable):
            marks.mark(png, "image/png", make_claim(png, profile=profile), signer, anchors=anchors)


class TestSigner:
    def test_with_an_expired_leaf_cannot_sign(
        self, png: bytes, tmp_path: Path, now: datetime
    ) -> None:
        authority.make_development_authority(tmp_path, now=now - timedelta(days=30), leaf_days=29)
        with pytest.raises(SigningFailed):
            c2pa.sign(png, make_claim(png), signing.load_signer(tmp_path))

    def test_with_a_leaf_that_has_not_expired_can(
        self, png: bytes, tmp_path: Path, now: datetime
    ) -> None:
        authority.make_development_authority(tmp_path, now=now - timedelta(days=30), leaf_days=31)
        assert c2pa.sign(png, make_claim(png), signing.load_signer(tmp_path))

    def test_that_fails_is_named(self, png: bytes, signer: FileSigner) -> None:
        class Unplugged:
            chain_pem = signer.chain_pem

            def sign(self, _data: bytes) -> bytes:
                raise ConnectionError

        with pytest.raises(SigningFailed):
            c2pa.sign(png, make_claim(png), Unplugged())

    def test_that_gives_a_wrong_signature_is_named(
        self, png: bytes, signer: FileSigner, anchors: bytes
    ) -> None:
        class Confused:
            chain_pem = signer.chain_pem

            def sign(self, data: bytes) -> bytes:
                return signer.sign(data + b"!")

        with pytest.raises(SigningFailed):
            marks.mark(png, "image/png", make_claim(png), Confused(), anchors=anchors)

    def test_without_its_issuer_signs_and_is_not_believed(
        self, png: bytes, signer: FileSigner, anchors: bytes
    ) -> None:
        leaf, _ = x509.load_pem_x509_certificates(signer.chain_pem)
        alone = OtherSigner(leaf.public_bytes(Encoding.PEM), signer)
        with pytest.raises(MarkingIncomplete) as refusal:
            marks.mark(png, "image/png", make_claim(png), alone, anchors=anchors)
        assert refusal.value.facts["layer"] == "c2pa"
        assert refusal.value.facts["state"] == "Valid"
        assert refusal.value.facts["problems"] == ["signingCredential.untrusted"]

    def test_of_another_authority_is_valid_and_not_believed(
        self, marked: Marked, tmp_path: Path, now: datetime
    ) -> None:
        authority.make_development_authority(tmp_path, now=now)
        with pytest.raises(MarkingIncomplete) as refusal:
            marks.read_back(marked.data, signing.load_anchors(tmp_path))
        assert refusal.value.facts["state"] == "Valid"


class TestLayer:
    @pytest.mark.parametrize("layer", ["xmp", "c2pa"])
    def test_that_was_never_written_stops_the_marking(
        self,
        png: bytes,
        signer: FileSigner,
        anchors: bytes,
        monkeypatch: pytest.MonkeyPatch,
        layer: str,
    ) -> None:
        def forget(data: bytes, _claim: MarkingClaim, _signer: object) -> bytes:
            return data

        monkeypatch.setattr(marks, "_WRITERS", {**marks._WRITERS, layer: forget})
        with pytest.raises(MarkingIncomplete) as refusal:
            marks.mark(png, "image/png", make_claim(png), signer, anchors=anchors)
        assert refusal.value.facts == {"layer": layer, "state": "missing"}

    @pytest.mark.parametrize("layer", ["xmp", "c2pa"])
    def test_that_says_something_else_stops_the_marking(
        self,
        png: bytes,
        signer: FileSigner,
        anchors: bytes,
        monkeypatch: pytest.MonkeyPatch,
        layer: str,
    ) -> None:
        write = marks._WRITERS[layer]

        def confuse(data: bytes, claim: MarkingClaim, signer: FileSigner) -> bytes:
            other = replace(
                claim,
                editorial=replace(claim.editorial, credit="Somebody Else"),
                review=replace(claim.review, approval_id=UUID(int=9)),
            )
            return write(data, other, signer)

        monkeypatch.setattr(marks, "_WRITERS", {**marks._WRITERS, layer: confuse})
        with pytest.raises(MarkingIncomplete) as refusal:
            marks.mark(png, "image/png", make_claim(png), signer, anchors=anchors)
        differing = {"xmp": ["photoshop:Credit"], "c2pa": ["approval_id"]}
        assert refusal.value.facts["differing"] == differing[layer]

    def test_is_lost_when_an_image_editor_saves_again(self, marked: Marked, anchors: bytes) -> None:
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(marked.data)) as picture:
            picture.save(buffer, "PNG", pnginfo=None)
        for layer in ("xmp", "c2pa"):
            with pytest.raises(MarkingIncomplete) as refusal:
                marks.read_back(buffer.getvalue(), anchors, layers=(layer,))
            assert refusal.value.facts["state"] == "missing"


class TestChangedByte:
    @pytest.mark.parametrize("share", [0.05, 0.5, 0.999])
    def test_makes_the_manifest_invalid(self, marked: Marked, anchors: bytes, share: float) -> None:
        pixels_at = len(marked.data) - 3500
        at = int(pixels_at + share * 3000)
        changed = bytearray(marked.data)
        changed[at] ^= 1
        with pytest.raises(MarkingIncomplete) as refusal:
            marks.read_back(bytes(changed), anchors, layers=("c2pa",))
        assert refusal.value.facts["state"] == "Invalid"
        assert "assertion.dataHash.mismatch" in refusal.value.facts["problems"]

    def test_within_the_metadata_makes_the_manifest_invalid(
        self, marked: Marked, anchors: bytes
    ) -> None:
        changed = marked.data.replace(b"Example Foods", b"Example Goods")
        assert changed != marked.data
        with pytest.raises(MarkingIncomplete) as refusal:
            marks.read_back(changed, anchors, layers=("c2pa",))
        assert refusal.value.facts["state"] == "Invalid"

    def test_within_the_review_makes_the_manifest_invalid(
        self, marked: Marked, anchors: bytes
    ) -> None:
        changed = marked.data.replace(b"two-stage@1", b"two-stage@2")
        assert changed != marked.data
        with pytest.raises(MarkingIncomplete) as refusal:
            marks.read_back(changed, anchors, layers=("c2pa",))
        assert refusal.value.facts["state"] != "Trusted"

    def test_metadata_added_after_signing_makes_the_manifest_invalid(
        self, png: bytes, signer: FileSigner, anchors: bytes
    ) -> None:
        claim = make_claim(png)
        wrong_order = xmp.embed(c2pa.sign(png, claim, signer), xmp.build(claim))
        with pytest.raises(MarkingIncomplete) as refusal:
            marks.read_back(wrong_order, anchors)
        assert refusal.value.facts["state"] == "Invalid"


@pytest.fixture
def listener() -> Iterator[tuple[str, list[str]]]:
    """Listen on loopback, and keep the path of every request that comes."""
    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_error(404)

        def log_message(self, *_args: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/manifest.c2pa", paths
    server.shutdown()
    server.server_close()
    thread.join()


class TestRemoteManifest:
    @pytest.fixture
    def luring(self, image: bytes, media_type: str, signer: FileSigner, listener: tuple) -> bytes:
        """Make an image whose manifest is said to lie at the listener's address."""
        url, _ = listener
        out = io.BytesIO()
        with (
            library.Signer.from_callback(
                signer.sign, library.C2paSigningAlg.ES256, signer.chain_pem.decode()
            ) as native,
            library.Builder(c2pa.manifest_definition(make_claim(image))) as builder,
        ):
            builder.set_no_embed()
            builder.set_remote_url(url)
            builder.sign(native, media_type, io.BytesIO(image), out)
        return out.getvalue()

    def test_is_never_fetched(
        self, luring: bytes, anchors: bytes, listener: tuple[str, list[str]]
    ) -> None:
        with pytest.raises(MarkingIncomplete):
            marks.read_back(luring, anchors, layers=("c2pa",))
        assert listener[1] == []

    def test_would_be_fetched_by_a_context_that_allows_it(
        self, luring: bytes, media_type: str, listener: tuple[str, list[str]]
    ) -> None:
        with pytest.raises(library.C2paError):
            library.Reader(media_type, io.BytesIO(luring))
        assert listener[1] == ["/manifest.c2pa"]

    def test_is_not_fetched_while_signing_over_it(
        self, luring: bytes, signer: FileSigner, listener: tuple[str, list[str]]
    ) -> None:
        c2pa.sign(luring, make_claim(luring), signer)
        assert listener[1] == []


class TestReaderProcess:
    def test_that_dies_is_no_answer(
        self, marked: Marked, anchors: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "executable", "/bin/false")
        with pytest.raises(ReaderFailed):
            marks.read_back(marked.data, anchors)

    def test_that_hangs_is_left(
        self,
        marked: Marked,
        anchors: bytes,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
    ) -> None:
        hanging = tmp_path / "hanging"
        hanging.write_text("#!/bin/sh\nexec sleep 30\n")
        hanging.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(hanging))
        monkeypatch.setattr(c2pa, "READ_TIMEOUT_S", 0.2)
        with pytest.raises(ReaderFailed):
            marks.read_back(marked.data, anchors)

    def test_knows_no_module_of_ours(self) -> None:
        program = (
            "import runpy, sys; runpy.run_path(sys.argv[1], run_name='reader');"
            "print(sorted({name.split('.')[0] for name in sys.modules}"
            " & {'governance', 'imprimatur', 'generation', 'templates', 'django'}))"
        )
        reader = Path(c2pa.c2pa_reading.__file__)
        run = subprocess.run(
            [sys.executable, "-I", "-c", program, str(reader)],
            capture_output=True,
            check=True,
            text=True,
            timeout=30,
        )
        assert run.stdout.strip() == "[]"


def _mark_in_child(
    png: bytes,
    signer: FileSigner,
    anchors: bytes,
    connection: "multiprocessing.connection.Connection",
) -> None:
    try:
        marked = marks.mark(png, "image/png", make_claim(png), signer, anchors=anchors)
        connection.send(marked.layers[1].state)
    except Exception as error:  # noqa: BLE001 - the parent shows it
        connection.send(repr(error))


class TestFork:
    def test_after_marking_leaves_a_child_that_can_mark_too(
        self, png: bytes, signer: FileSigner, anchors: bytes
    ) -> None:
        """A signer is plain Python, and native objects are made for each call, in its process."""
        marks.mark(png, "image/png", make_claim(png), signer, anchors=anchors)
        context = multiprocessing.get_context("fork")
        here, there = context.Pipe(duplex=False)
        child = context.Process(target=_mark_in_child, args=(png, signer, anchors, there))
        child.start()
        there.close()
        assert here.poll(30)
        assert here.recv() == "Trusted"
        child.join(30)
        here.close()
