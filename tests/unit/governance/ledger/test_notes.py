"""Checkpoints as text: what is signed is what is read, and everything else is refused."""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.ledger import notes, verifier
from governance.ledger.errors import MalformedNote, SignatureInvalid

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HEAD = notes.TreeHead("imprimatur.example/log", 42, bytes(range(32)))
KEY = notes.VerifierKey(HEAD.origin, PRIVATE.public_key().public_bytes_raw())
NOTE = notes.sign(HEAD, PRIVATE)
VERIFIER_KEY = verifier.parse_key(str(KEY))


class TestCheckpoint:
    def test_reads_back_in_both_readers(self) -> None:
        assert notes.open_checkpoint(NOTE, KEY) == HEAD
        assert verifier.open_checkpoint(NOTE, VERIFIER_KEY) == (HEAD.size, HEAD.root)

    def test_passes_over_signatures_of_unknown_keys(self) -> None:
        other = notes.sign(notes.TreeHead("witness.example", 1, bytes(32)), PRIVATE)
        cosigned = NOTE + other.rpartition("\n\n")[2]
        assert notes.open_checkpoint(cosigned, KEY) == HEAD
        assert verifier.open_checkpoint(cosigned, VERIFIER_KEY) == (HEAD.size, HEAD.root)

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
        with pytest.raises(verifier.Unsound):
            verifier.open_checkpoint(note, VERIFIER_KEY)

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
