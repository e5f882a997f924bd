"""Reads one C2PA manifest with a fresh context that fetches nothing; runs alone, as a child.

It imports no module of ours, so that `python -I` on this file is the whole program. The native
parser meets bytes that others may have made: here it can only end this process.
"""

import io
import json
import resource
import sys
from typing import Any

import c2pa

CPU_LIMIT_S = 30
MEMORY_LIMIT_BYTES = 4 * 1024**3


def read(data: bytes, media_type: str, anchors_pem: str) -> dict[str, Any] | None:
    """Return the state, the problems and the active manifest, or None if there is no manifest."""
    settings = {
        "verify": {
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
            "verify_after_reading": True,
            "verify_trust": True,
        },
        "core": {"allowed_network_hosts": []},
        "trust": {"trust_anchors": anchors_pem},
    }
    with c2pa.Context.from_dict(settings) as context:
        reader = c2pa.Reader.try_create(media_type, io.BytesIO(data), context=context)
        if reader is None:
            return None
        with reader:
            report = json.loads(reader.json())
            is_embedded = reader.is_embedded()
    active = report.get("active_manifest", "")
    results = report.get("validation_results", {}).get("activeManifest", {})
    return {
        "state": report.get("validation_state", "Invalid"),
        "problems": sorted({entry["code"] for entry in results.get("failure", [])}),
        "is_embedded": is_embedded,
        "manifest_id": active,
        "manifest": report.get("manifests", {}).get(active, {}),
    }


def main() -> None:
    """Read a JSON line and the image from standard input; write one JSON answer."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    header = json.loads(sys.stdin.buffer.readline())
    data = sys.stdin.buffer.read()
    answer: dict[str, Any]
    try:
        answer = {"reading": read(data, header["media_type"], header["anchors_pem"])}
    except c2pa.C2paError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
