"""The development authority: what is in the publisher's folder, and what must never be."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from governance.marking import authority, signing
from governance.marking.errors import SignerUnusable

NOW = datetime(2026, 8, 2, tzinfo=UTC)


@pytest.fixture
def publisher(tmp_path: Path) -> Path:
    return tmp_path / "publisher"


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    return tmp_path / "vault"


class TestMakeDevelopmentAuthority:
    def test_gives_the_publisher_a_leaf_key_and_nothing_to_certify_with(
        self, publisher: Path, vault: Path
    ) -> None:
        authority.make_development_authority(publisher, now=NOW, ca_folder=vault)
        assert {path.name for path in publisher.iterdir()} == {
            "leaf.key",
            "chain.pem",
            "anchors.pem",
        }
        assert {path.name for path in vault.iterdir()} == {"root.key", "issuing.key"}
        leaf_key = serialization.load_pem_private_key(
            (publisher / "leaf.key").read_bytes(), password=None
        )
        chain = x509.load_pem_x509_certificates((publisher / "chain.pem").read_bytes())
        anchors = x509.load_pem_x509_certificates((publisher / "anchors.pem").read_bytes())
        for certificate in (*chain[1:], *anchors):
            assert certificate.public_key() != leaf_key.public_key()

    def test_forgets_the_authoritys_keys_when_told_of_no_place(
        self, publisher: Path, tmp_path: Path
    ) -> None:
        made = authority.make_development_authority(publisher, now=NOW)
        assert made.ca_folder is None
        assert {path.name for path in tmp_path.rglob("*.key")} == {"leaf.key"}

    def test_refuses_to_keep_them_with_the_publisher(self, publisher: Path) -> None:
        for place in (publisher, publisher / "vault"):
            with pytest.raises(ValueError, match="publisher's folder"):
                authority.make_development_authority(publisher, now=NOW, ca_folder=place)

    def test_writes_keys_for_their_owner_only(self, publisher: Path, vault: Path) -> None:
        authority.make_development_authority(publisher, now=NOW, ca_folder=vault)
        for key in (publisher / "leaf.key", vault / "root.key", vault / "issuing.key"):
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
        assert stat.S_IMODE(vault.stat().st_mode) == 0o700

    @pytest.mark.parametrize("name", ["publisher/leaf.key", "vault/root.key", "vault/issuing.key"])
    def test_overwrites_no_key(
        self, publisher: Path, vault: Path, tmp_path: Path, name: str
    ) -> None:
        publisher.mkdir()
        vault.mkdir()
        (tmp_path / name).write_text("precious")
        with pytest.raises(authority.AuthorityExists):
            authority.make_development_authority(publisher, now=NOW, ca_folder=vault)
        assert (tmp_path / name).read_text() == "precious"

    def test_issues_a_leaf_that_fits_the_manifest_profile(self, publisher: Path) -> None:
        made = authority.make_development_authority(publisher, now=NOW, leaf_days=10)
        leaf, issuing = x509.load_pem_x509_certificates((publisher / "chain.pem").read_bytes())
        (root,) = x509.load_pem_x509_certificates((publisher / "anchors.pem").read_bytes())
        leaf.verify_directly_issued_by(issuing)
        issuing.verify_directly_issued_by(root)
        extensions = leaf.extensions
        purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        usage = extensions.get_extension_for_class(x509.KeyUsage).value
        assert list(purposes) == [ExtendedKeyUsageOID.EMAIL_PROTECTION]
        assert usage.digital_signature
        assert not usage.key_cert_sign
        assert extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
        assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert leaf.not_valid_after_utc == made.leaf_not_after == NOW + timedelta(days=10)


class TestLoadSigner:
    def test_loads_what_was_made(self, publisher_folder: Path) -> None:
        signer = signing.load_signer(publisher_folder)
        assert len(signer.sign(b"data")) == 64
        assert signer.chain_pem == (publisher_folder / "chain.pem").read_bytes()

    def test_passes_on_certificates_and_nothing_else(self, publisher: Path) -> None:
        authority.make_development_authority(publisher, now=NOW)
        for name in ("chain.pem", "anchors.pem"):
            certificates = (publisher / name).read_bytes()
            (publisher / name).write_bytes("Größe\n".encode() + certificates)
            loaded = {
                "chain.pem": lambda: signing.load_signer(publisher).chain_pem,
                "anchors.pem": lambda: signing.load_anchors(publisher),
            }
            assert loaded[name]() == certificates

    def test_shows_no_key_when_printed(self, publisher_folder: Path) -> None:
        shown = repr(signing.load_signer(publisher_folder))
        assert shown.startswith("FileSigner('")
        assert "PrivateKey" not in shown

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
    def test_refuses_a_key_that_others_can_read(self, publisher: Path, mode: int) -> None:
        authority.make_development_authority(publisher, now=NOW)
        (publisher / "leaf.key").chmod(mode)
        with pytest.raises(SignerUnusable, match="0600"):
            signing.load_signer(publisher)

    @pytest.mark.parametrize("name", ["leaf.key", "chain.pem"])
    def test_names_the_file_that_is_missing(self, publisher: Path, name: str) -> None:
        authority.make_development_authority(publisher, now=NOW)
        (publisher / name).unlink()
        with pytest.raises(SignerUnusable, match=name):
            signing.load_signer(publisher)

    @pytest.mark.parametrize("name", ["leaf.key", "chain.pem"])
    def test_refuses_what_is_not_pem(self, publisher: Path, name: str) -> None:
        authority.make_development_authority(publisher, now=NOW)
        (publisher / name).write_text("not PEM")
        with pytest.raises(SignerUnusable):
            signing.load_signer(publisher)

    def test_refuses_a_key_of_another_leaf(self, publisher: Path, tmp_path: Path) -> None:
        authority.make_development_authority(publisher, now=NOW)
        authority.make_development_authority(tmp_path / "other", now=NOW)
        (publisher / "leaf.key").write_bytes((tmp_path / "other" / "leaf.key").read_bytes())
        with pytest.raises(SignerUnusable, match="does not belong"):
            signing.load_signer(publisher)

    def test_refuses_a_chain_that_nobody_could_follow(
        self, publisher: Path, tmp_path: Path
    ) -> None:
        authority.make_development_authority(publisher, now=NOW)
        authority.make_development_authority(tmp_path / "other", now=NOW)
        chain = publisher / "chain.pem"
        leaf, issuing = x509.load_pem_x509_certificates(chain.read_bytes())
        _, other = x509.load_pem_x509_certificates((tmp_path / "other/chain.pem").read_bytes())
        pem = serialization.Encoding.PEM
        for broken in ([leaf], [leaf, other], [issuing, leaf]):
            chain.write_bytes(b"".join(part.public_bytes(pem) for part in broken))
            with pytest.raises(SignerUnusable):
                signing.load_signer(publisher)

    def test_refuses_anchors_that_are_missing_or_empty(self, publisher: Path) -> None:
        with pytest.raises(SignerUnusable):
            signing.load_anchors(publisher)
        publisher.mkdir()
        (publisher / "anchors.pem").write_bytes(b"")
        with pytest.raises(SignerUnusable):
            signing.load_anchors(publisher)
