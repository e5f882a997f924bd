"""One authority and one image of each format for all marking tests; keys are dear, images cheap."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from PIL import Image

from governance.kernel.digests import sha256_hex
from governance.marking import authority, signing
from governance.marking.claims import (
    EMBEDDED_PROFILE,
    AISystem,
    Editorial,
    MarkingClaim,
    MarkingProfile,
    ReviewEvidence,
)
from governance.marking.signing import FileSigner

ImageMaker = Callable[[str], bytes]


@pytest.fixture(scope="session")
def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="session")
def publisher_folder(tmp_path_factory: pytest.TempPathFactory, now: datetime) -> Path:
    folder = tmp_path_factory.mktemp("publisher")
    authority.make_development_authority(folder, now=now)
    return folder


@pytest.fixture(scope="session")
def signer(publisher_folder: Path) -> FileSigner:
    return signing.load_signer(publisher_folder)


@pytest.fixture(scope="session")
def anchors(publisher_folder: Path) -> bytes:
    return signing.load_anchors(publisher_folder)


@pytest.fixture(scope="session")
def images() -> dict[str, bytes]:
    picture = Image.effect_noise((96, 64), 60).convert("RGB")
    made = {}
    for media_type, name in (("image/png", "PNG"), ("image/jpeg", "JPEG")):
        buffer = io.BytesIO()
        picture.save(buffer, name)
        made[media_type] = buffer.getvalue()
    return made


@pytest.fixture(params=["image/png", "image/jpeg"])
def media_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def image(images: dict[str, bytes], media_type: str) -> bytes:
    return images[media_type]


def make_claim(
    data: bytes,
    *,
    profile: MarkingProfile = EMBEDDED_PROFILE,
    title: str = "Salt & <pepper> “Blüte” 花",
    alt_text: str | None = None,
) -> MarkingClaim:
    return MarkingClaim(
        profile=profile,
        editorial=Editorial(
            title=title,
            description="Two lines:\nthe second one.",
            rights="© Example Foods",
            credit="Example Foods",
            alt_text=alt_text,
        ),
        system=AISystem("Demo SD3", "rev-1", "Imprimatur", "0.1.0"),
        review=ReviewEvidence(
            case_id=UUID("0199a000-0000-7000-8000-000000000001"),
            approval_id=UUID("0199a000-0000-7000-8000-000000000002"),
            policy_version="two-stage@1",
            reviewed_sha256=sha256_hex(data),
            ledger_origin="imprimatur.example/ledger",
            ledger_leaf_index=3,
            ledger_size=9,
            ledger_root="ab" * 32,
        ),
        made_at=datetime(2026, 8, 2, 12, 30, tzinfo=UTC),
    )


@pytest.fixture
def claim(image: bytes) -> MarkingClaim:
    return make_claim(image)
