"""What the ledger's tests share: a signing key of their own in an empty folder."""

from pathlib import Path

import pytest

from tests.integration.ledger.log import Signing, make_signing


@pytest.fixture
def signing(tmp_path: Path) -> Signing:
    return make_signing(tmp_path / "keys")
