"""Checkpoints as text: what is signed is what is read, and everything else is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from governance.ledger import notes, verifier
from governance.ledger.errors import MalformedNote, SignatureInvalid

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HEAD = notes.TreeHead("imprimatur.example/log", 42, bytes(range(32)))
KEY = notes.VerifierKey(HEAD.origin, PRIVATE.public_key().public_bytes_raw())
NOTE = notes.sign(HEAD, PRIVATE)
VERIFIER_KEYS = list(verifier.parse_keys(str(KEY), verifier.ED25519))


class TestCheckpoint:
    def test_reads_back_in_both_readers(self) -> None:
        assert notes.open_checkpoint(NOTE, KEY) == HEAD
        assert verifier.open_checkpoint(NOTE, VERIFIER_KEYS)[:2] == (HEAD.size, HEAD.root)

    def test_passes_over_signatures_of_unknown_keys(self) -> None:
        other = notes.sign(notes.TreeHead("witness.example", 1, bytes(32)), PRIVATE)
        cosigned = NOTE + other.rpartition("\n\n")[2]
        assert notes.open_checkpoint(cosigned, KEY) == HEAD
        assert verifier.open_checkpoint(cosigned, VERIFIER_KEYS)[:2] == (HEAD.size, HEAD.root)

    @pytest.mark.parametrize(
        "note",
        [
            "",
            "\n\n",
            NOTE.replace("42", "43"),
            NOTE.replace("42", "042"),
            NOTE.replace("42", "-42"),
            NOTE.replace("42", "4\x0b2"),
            NOTE.replace("\n\n", "\n"),
            NOTE.replace("— ", "- "),
            NOTE.rstrip("\n"),
            NOTE.replace("imprimatur.example/log\n", "other.example/log\n", 1),
            NOTE.rpartition("\n\n")[0] + "\n\n",
            NOTE.rpartition("\n\n")[0] + "\n\n— imprimatur.example/log AAAA\n",
            NOTE.rpartition("\n\n")[0] + "\n\n— imprimatur.example/log ****\n",
            NOTE + "junk\n",
            NOTE + "— x y\n" * 20,
            notes.sign(HEAD, Ed25519PrivateKey.generate()),
            notes.sign(notes.TreeHead("other.example/log", 42, HEAD.root), PRIVATE),
        ],
    )
    def test_that_was_changed_is_refused_by_both_readers(self, note: str) -> None:
        with pytest.raises((MalformedNote, SignatureInvalid)):
            notes.open_checkpoint(note, KEY)
        with pytest.raises(ValueError, match=r"[a-z]"):
            verifier.open_checkpoint(note, VERIFIER_KEYS)

    def test_with_a_bad_signature_beside_a_good_one_is_refused(self) -> None:
        forged = notes.sign(notes.TreeHead(HEAD.origin, 43, HEAD.root), PRIVATE)
        with pytest.raises(SignatureInvalid):
            notes.open_checkpoint(NOTE + forged.rpartition("\n\n")[2], KEY)


class TestVerifierKey:
    def test_matches_the_published_form(self) -> None:
        # The example key of Go's note package: same fields, same derivation of the id.
        text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
        assert str(notes.VerifierKey.parse(text)) == text

    @pytest.mark.parametrize(
        "text", ["", "a+b", "a+b+c", str(KEY).replace("+", "+0", 1), "x y+00000000+AQ=="]
    )
    def test_that_is_malformed_is_refused(self, text: str) -> None:
        with pytest.raises(MalformedNote):
            notes.VerifierKey.parse(text)

    @pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "x" * 201])
    def test_needs_a_proper_name(self, name: str) -> None:
        with pytest.raises(MalformedNote):
            notes.checked_name(name)


def test_proof_text_carries_index_path_and_checkpoint() -> None:
    text = notes.proof_text(index=7, path=[bytes(32)], checkpoint=NOTE, entry=b"{}")
    head, _, checkpoint = text.partition("\n\n")
    assert head.split("\n") == [
        "c2sp.org/tlog-proof@v1",
        "extra e30=",
        "index 7",
        "A" * 43 + "=",
    ]
    assert checkpoint == NOTE


SECOND = MLDSA44PrivateKey.from_seed_bytes(bytes(range(32)))
COSIGNERS = {"Ed25519": PRIVATE, "ML-DSA-44": SECOND}
AT_S = 1_800_000_000


@pytest.mark.parametrize("kind", COSIGNERS)
class TestCosignature:
    def test_reads_back_in_both_readers(self, kind: str) -> None:
        private = COSIGNERS[kind]
        key = notes.cosigner_key("witness.example/w1", private)
        note = NOTE + notes.cosign(HEAD, key.name, private, at_s=AT_S)
        notes.confirm_cosigned(note, key)
        assert notes.open_checkpoint(note, KEY) == HEAD
        read = list(verifier.parse_keys(str(key), verifier.COSIGNATURE, verifier.ML_DSA))
        _, _, signers = verifier.open_checkpoint(note, VERIFIER_KEYS + read)
        assert signers == {*VERIFIER_KEYS, *read}

    def test_is_bound_to_time_head_and_key(self, kind: str) -> None:
        private = COSIGNERS[kind]
        key = notes.cosigner_key("witness.example/w1", private)
        line = notes.cosign(HEAD, key.name, private, at_s=AT_S)
        dash, name, encoded = line.split()
        raw = bytearray(notes._decode(encoded))
        raw[11] ^= 1  # the last byte of the time
        later = f"{dash} {name} {notes.base64.b64encode(bytes(raw)).decode()}\n"
        other = notes.sign(notes.TreeHead(HEAD.origin, 43, HEAD.root), PRIVATE)
        read = list(verifier.parse_keys(str(key), verifier.COSIGNATURE, verifier.ML_DSA))
        for forged in (NOTE + later, other + line):
            with pytest.raises(SignatureInvalid):
                notes.confirm_cosigned(forged, key)
            with pytest.raises(ValueError, match="does not verify"):
                verifier.open_checkpoint(forged, VERIFIER_KEYS + read)
        with pytest.raises(SignatureInvalid, match="no signature"):
            notes.confirm_cosigned(NOTE, key)

    def test_key_reads_back_as_text(self, kind: str) -> None:
        key = notes.cosigner_key("witness.example/w1", COSIGNERS[kind])
        assert notes.VerifierKey.parse(str(key)) == key
        assert notes.parse_keys(f"{key}\n\n{KEY}\n") == (key, KEY)
        for spoiled in (str(key)[:-4], str(key).replace("w1", "w2"), f"{key}AAAA"):
            with pytest.raises(MalformedNote):
                notes.VerifierKey.parse(spoiled)


def test_the_signed_bytes_are_those_of_the_specification() -> None:
    """Build both messages from C2SP tlog-cosignature, apart from the code under test."""
    root = bytes(range(32))
    key = notes.cosigner_key("w", SECOND)
    line = notes._decode(notes.cosign(HEAD, "w", SECOND, at_s=5).split()[2])
    assert (line[4:12], len(line)) == ((5).to_bytes(8, "big"), 4 + 8 + 2420)
    message = b"subtree/v1\n\x00" + b"\x01w" + (5).to_bytes(8, "big")
    message += b"\x16imprimatur.example/log" + bytes(8) + (42).to_bytes(8, "big") + root
    SECOND.public_key().verify(line[12:], message)
    assert key.id == notes.hashlib.sha256(b"w\n\x06" + key.public).digest()[:4]
    line = notes._decode(notes.cosign(HEAD, "w", PRIVATE, at_s=5).split()[2])
    text = b"cosignature/v1\ntime 5\nimprimatur.example/log\n42\n"
    text += notes.base64.b64encode(root) + b"\n"
    PRIVATE.public_key().verify(line[12:], text)


def test_a_name_too_long_for_its_length_byte_is_refused() -> None:
    head = notes.TreeHead("\u00e4" * 200, 1, bytes(32))
    with pytest.raises(MalformedNote):
        notes.cosign(head, "w", SECOND, at_s=1)
