"""Signs the C2PA manifest, the last change to an image's bytes, and has it read in a child process.

Every native object is made where it is used and closed there: one made before a fork is dead in the
child, and none outlives a call. No context here ever fetches anything.
"""

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import c2pa

from governance.kernel.clock import isoformat
from governance.marking import c2pa_reading
from governance.marking.claims import MarkingClaim
from governance.marking.containers import sniff
from governance.marking.errors import ContainerBroken, ReaderFailed, SigningFailed
from governance.marking.signing import Signer

REVIEW_ASSERTION = "org.imprimatur.review"
READER = f"c2pa-rs-{c2pa.sdk_version()}"
READ_TIMEOUT_S = 60.0

_ACTIONS_ASSERTION = "c2pa.actions.v2"


def sign(data: bytes, claim: MarkingClaim, signer: Signer) -> bytes:
    """Return `data` with a signed manifest; any later change to a byte makes it invalid.

    Raises: SigningFailed if the library or the signer refuses (an expired leaf, a broken image).
    """
    media_type = sniff(data)
    try:
        with (
            c2pa.Signer.from_callback(
                signer.sign, c2pa.C2paSigningAlg.ES256, signer.chain_pem.decode("ascii")
            ) as native_signer,
            c2pa.Context.from_dict(_signing_settings()) as context,
            c2pa.Builder(manifest_definition(claim), context=context) as builder,
        ):
            signed = io.BytesIO()
            builder.sign(native_signer, media_type, io.BytesIO(data), signed)
    except c2pa.C2paError as error:
        message = "The image could not be signed; the signing certificate may have expired."
        raise SigningFailed(message, reason=str(error)) from error
    return signed.getvalue()


def manifest_definition(claim: MarkingClaim) -> dict[str, Any]:
    """Return the manifest that `claim` makes. Source: C2PA 2.2, claim v2 and actions v2."""
    system = claim.system
    return {
        "claim_version": 2,
        "claim_generator_info": [{"name": system.software, "version": system.software_version}],
        "title": claim.editorial.title,
        "assertions": [
            {
                "label": _ACTIONS_ASSERTION,
                "created": True,  # stated by this signer, not gathered from elsewhere
                "data": {
                    "actions": [
                        {
                            "action": "c2pa.created",
                            "when": isoformat(claim.made_at),
                            "digitalSourceType": claim.digital_source_type,
                            "softwareAgent": {"name": system.name, "version": system.version},
                        }
                    ]
                },
            },
            {"label": REVIEW_ASSERTION, "created": True, "data": review_facts(claim)},
        ],
    }


def review_facts(claim: MarkingClaim) -> dict[str, str | int]:
    """Return what the manifest says about the recorded human decision and its ledger entry."""
    review = claim.review
    return {
        "case_id": str(review.case_id),
        "approval_id": str(review.approval_id),
        "policy_version": review.policy_version,
        "reviewed_sha256": review.reviewed_sha256,
        "ledger_origin": review.ledger_origin,
        "ledger_leaf_index": review.ledger_leaf_index,
        "ledger_size": review.ledger_size,
        "ledger_root": review.ledger_root,
        "marking_profile": claim.profile.label,
        "timestamp_authority": claim.profile.timestamp_authority or "none",
    }


def claimed_facts(claim: MarkingClaim) -> dict[str, str | int]:
    """Return the facts that a manifest of `claim` must state, as `stated_facts` gives them."""
    return {
        "action": "c2pa.created",
        "made_at": isoformat(claim.made_at),
        "digital_source_type": claim.digital_source_type,
        "system": claim.system.name,
        "system_version": claim.system.version,
        **review_facts(claim),
    }


def stated_facts(reading: Mapping[str, Any]) -> dict[str, str | int]:
    """Return what a manifest states, flat, with its own identity and issuer.

    Raises: ContainerBroken unless it has exactly one creating action and one review.
    """
    manifest = reading["manifest"]
    by_label: dict[str, list[Any]] = {}
    for assertion in manifest.get("assertions", []):
        by_label.setdefault(assertion["label"], []).append(assertion["data"])
    actions = [
        action for data in by_label.get(_ACTIONS_ASSERTION, []) for action in data["actions"]
    ]
    reviews = by_label.get(REVIEW_ASSERTION, [])
    if len(actions) != 1 or len(reviews) != 1:
        message = "The manifest does not state one creation and one review."
        raise ContainerBroken(message, labels=sorted(by_label))
    (action,), (review,) = actions, reviews
    agent = action.get("softwareAgent", {})
    signature = manifest.get("signature_info", {})
    return {
        "manifest_id": reading["manifest_id"],
        "issuer": signature.get("issuer", ""),
        "certificate_serial": signature.get("cert_serial_number", ""),
        "action": action.get("action", ""),
        "made_at": action.get("when", ""),
        "digital_source_type": action.get("digitalSourceType", ""),
        "system": agent.get("name", ""),
        "system_version": agent.get("version", ""),
        **review,
    }


def read(data: bytes, anchors: bytes) -> Mapping[str, Any] | None:
    """Read the manifest in a child process with a fresh context; None if the image has none.

    The answer has `state` ("Trusted", "Valid" or "Invalid"), `problems` (codes), `is_embedded`
    and the active `manifest`. Only `Trusted` means that one of `anchors` stands behind it.

    Raises: ReaderFailed if the child dies or does not answer in time; ContainerBroken if the
    library cannot read the file or its manifest.
    """
    header = json.dumps({"media_type": sniff(data), "anchors_pem": anchors.decode("ascii")})
    try:
        child = subprocess.run(
            [sys.executable, "-I", str(Path(c2pa_reading.__file__))],
            input=header.encode() + b"\n" + data,
            capture_output=True,
            timeout=READ_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        message = "The manifest reader gave no answer in time."
        raise ReaderFailed(message, timeout_s=READ_TIMEOUT_S) from error
    if child.returncode != 0:
        message = "The manifest reader stopped without an answer."
        raise ReaderFailed(message, returncode=child.returncode)
    answer: dict[str, Any] = json.loads(child.stdout)
    if "error" in answer:
        message = "The image's manifest cannot be read."
        raise ContainerBroken(message, reason=answer["error"])
    return answer["reading"]  # type: ignore[no-any-return]


def _signing_settings() -> dict[str, Any]:
    """Keep the library from fetching, from drawing thumbnails, and from judging trust here."""
    return {
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_after_sign": True,
            "verify_trust": False,
        },
        "core": {"allowed_network_hosts": []},
        "builder": {"thumbnail": {"enabled": False}},
    }
