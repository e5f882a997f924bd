# ruff: noqa: INP001  a script of the images, in no package
"""A container's health: web answers for itself, the others try what they need; 0 is well.

    python docker/healthcheck.py web|worker|publisher|relay

Why something failed is in the log of the process; here only which part.
"""

import sys
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

PORT = 8000
PARTS = {
    "worker": ("database", "broker", "storage", "guards"),
    "publisher": ("database", "broker", "storage", "guards"),
    # The relay has no image store mounted.
    "relay": ("database", "broker", "guards"),
}


def main(process: str) -> int:
    """Return 0 if the process is well."""
    return _web() if process == "web" else _parts(PARTS[process])


def _web() -> int:
    from django.conf import settings

    # The name that people use, over the proxy that ends TLS: else the request would be refused.
    host = settings.ALLOWED_HOSTS[0].lstrip(".").replace("*", "localhost")
    connection = HTTPConnection("127.0.0.1", PORT, timeout=8)
    try:
        connection.request("GET", "/readyz", headers={"Host": host, "X-Forwarded-Proto": "https"})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        sys.stdout.write(f"web does not answer: {error}\n")
        return 1
    sys.stdout.write(f"/readyz: {status}\n")
    return 0 if status == HTTPStatus.OK else 1


def _parts(names: tuple[str, ...]) -> int:
    import django

    django.setup()
    from imprimatur.config import health

    failed = []
    for name in names:
        try:
            health.PROBES[name]()
        except Exception as error:  # noqa: BLE001  each part is tried, whatever the others did
            failed.append(f"{name} ({type(error).__name__})")
    sys.stdout.write(f"failed: {', '.join(failed)}\n" if failed else "well\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
