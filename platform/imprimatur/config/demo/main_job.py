"""The main job, end to end: order, render, refuse, decide, release, publish, attack, verify.

Everything goes through the same doors that people and programs use; every step must hold.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname
from uuid import UUID

from django.apps import apps
from django.conf import settings
from django.db import (
    DatabaseError,
    IntegrityError,
    ProgrammingError,
    connection,
    models,
    transaction,
)
from psycopg.errors import InsufficientPrivilege

from governance.kernel.clock import now
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.ledger import services as ledger
from governance.ledger import verifier
from governance.tables import guards
from imprimatur.config.celery import app
from imprimatur.config.demo import bucket
from imprimatur.config.demo.client import Person
from imprimatur.config.demo.running import wait_for
from imprimatur.config.demo.seed import Seeded

VARIANTS = 3
RENDER_S = 240.0
RELEASE_S = 60.0
TEMPLATE = "hero_shot"


class StepFailed(AssertionError):
    """A step of the main job did not hold."""


@dataclass
class Report:
    """What happened, step by step, and the facts for the JSON line."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def say(self, step: str, text: str) -> None:
        """Add a row to the table."""
        self.rows.append((step, text))

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Measure a step's wall time."""
        began = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - began, 2)


def run(base_url: str, seeded: Seeded, report: Report) -> None:
    """Drive the main job. Raises: StepFailed, or whatever a step met, at the first that fails."""
    with report.timed("sign_in"):
        marta, bruno, clara, otto = (
            Person.sign_in(base_url, name, seeded.passwords[name])
            for name in ("marta", "bruno", "clara", "otto")
        )
    report.say("1 sign in", "marta, bruno, clara and otto, through the API")
    template = _find_template(marta)
    spent_before = _spent(marta, seeded)

    with report.timed("order"):
        job = _order(marta, template, report)
    with report.timed("render_and_score"):
        images = _await_images(marta, job["id"], report)
    with report.timed("refused_order"):
        _refused_order(marta, template, seeded, report)
    _check(_spent(marta, seeded) - spent_before == VARIANTS, "the quota settles three images")

    approved, rejected = images[:2], images[2]
    with report.timed("decide"):
        _decide(bruno, clara, marta, approved, rejected, report)
    with report.timed("release"):
        releases = _await_releases(marta, approved, report)
    with report.timed("publish"):
        _publish(marta, releases, seeded, report)
    with report.timed("attack"):
        _attack(marta, clara, rejected, releases[0], seeded, report)
    with report.timed("verify"):
        _verify(otto, releases, report)
    report.facts["brand_id"] = str(seeded.brand_id)


def _find_template(marta: Person) -> dict[str, Any]:
    templates = marta.get("templates")["items"]
    return next(t for t in templates if t["slug"] == TEMPLATE)


def _variables(template: dict[str, Any]) -> dict[str, Any]:
    """Return the template's starter values: real variables, as the order form offers them."""
    return dict(template["content"]["starter"])


def _order(marta: Person, template: dict[str, Any], report: Report) -> dict[str, Any]:
    job: dict[str, Any] = marta.post(
        "jobs",
        {
            "template_id": template["id"],
            "variables": _variables(template),
            "variants": VARIANTS,
            "seed": 20_260_101,
        },
    )
    report.say("1 order", f"{VARIANTS} variants of “{template['name']}”, job {job['id']}")
    report.facts["job_id"] = job["id"]
    return job


def _await_images(marta: Person, job_id: str, report: Report) -> list[dict[str, Any]]:
    def done() -> dict[str, Any] | None:
        job: dict[str, Any] = marta.get(f"jobs/{job_id}")
        return job if job["state"] == "done" else None

    job = wait_for("rendering", done, RENDER_S)
    images = []
    for item in job["items"]:
        _check(item["state"] == "in_review", f"image {item['number']} is in review: {item}")
        asset = marta.get(f"assets/{item['asset_id']}")
        data = marta.read(f"assets/{item['asset_id']}/image")
        _check(sha256_hex(data) == asset["sha256"], "the delivered bytes have their sha256")
        scores = {score["scorer"]: score["value"] for score in asset["scores"]}
        _check(len(scores) >= 5, "safety, prompt match and the three technical scores are there")  # noqa: PLR2004
        images.append({**asset, "case_id": item["case_id"], "seed": item["seed"]})
        # A second opinion that nobody had to ask for gave no value.
        given = {name: value for name, value in scores.items() if value is not None}
        told = " ".join(f"{name}={value:.3f}" for name, value in sorted(given.items()))
        report.say(f"2 image {item['number']}", f"{asset['sha256'][:12]}… {told}")
    _check(len({image["sha256"] for image in images}) == VARIANTS, "three different images")
    report.facts["images"] = [
        {
            "asset_id": image["id"],
            "case_id": image["case_id"],
            "sha256": image["sha256"],
            "seed": image["seed"],
            "scores": {
                s["scorer"]: {"value": s["value"], "verdict": s["verdict"]} for s in image["scores"]
            },
        }
        for image in images
    ]
    return images


def _refused_order(marta: Person, template: dict[str, Any], seeded: Seeded, report: Report) -> None:
    before, spent = _count("jobs_generationjob"), _spent(marta, seeded)
    variables = {**_variables(template), **_refused_variable(template)}
    status, problem = marta.call(
        "POST", "jobs", {"template_id": template["id"], "variables": variables, "variants": 3}
    )
    _check(status == 422 and problem["code"] == "order_refused", f"refused: {status} {problem}")  # noqa: PLR2004
    refusal = marta.get(f"refusals/{problem['facts']['refusal_id']}")
    _check(refusal["stage"] == "prompt", "the refusal is at the prompt")
    _check(_count("jobs_generationjob") == before, "a refused order leaves no job")
    _check(_spent(marta, seeded) == spent, "a refused order costs no quota")
    report.say("3 refused", f"{refusal['category']}: {refusal['reason']}")
    report.facts["refusal"] = {
        "id": refusal["id"],
        "category": refusal["category"],
        "reason": refusal["reason"],
    }


def _refused_variable(template: dict[str, Any]) -> dict[str, str]:
    """Put a term that the demo brand's rules refuse into the template's free text."""
    properties = template["content"]["schema"]["properties"]
    name = next(
        n for n, spec in properties.items() if "enum" not in spec and spec["type"] == "string"
    )
    return {name: "with a hazard sign"}


def _decide(
    bruno: Person,
    clara: Person,
    marta: Person,
    approved: list[dict[str, Any]],
    rejected: dict[str, Any],
    report: Report,
) -> None:
    status, _ = marta.call(
        "POST",
        f"cases/{approved[0]['case_id']}/decisions",
        {"verdict": "approve", "sha256": approved[0]["sha256"]},
    )
    _check(status == 403, "the requester does not decide on her own image")  # noqa: PLR2004
    for image in approved:
        for reviewer in (bruno, clara):
            _look(reviewer, image)
            decision = reviewer.post(
                f"cases/{image['case_id']}/decisions",
                {"verdict": "approve", "sha256": image["sha256"]},
            )
        _check(decision["case_state"] == "approved", "two stages approve")
        image["approval_id"] = decision["approval_id"]
        report.say("4 approved", f"{image['sha256'][:12]}… by bruno (brand) and clara (compliance)")
    _look(bruno, rejected)
    decision = bruno.post(
        f"cases/{rejected['case_id']}/decisions",
        {
            "verdict": "reject",
            "sha256": rejected["sha256"],
            "reason": "The product is not recognizable.",
        },
    )
    _check(decision["case_state"] == "rejected", "a reject ends the case")
    report.say("4 rejected", f"{rejected['sha256'][:12]}… by bruno, with a reason")


def _look(reviewer: Person, image: dict[str, Any]) -> None:
    """Get the bytes as the reviewer: nobody decides on what was not on their screen."""
    data = reviewer.read(f"assets/{image['id']}/image")
    _check(sha256_hex(data) == image["sha256"], "the reviewer sees the bytes under review")


def _await_releases(
    marta: Person, approved: list[dict[str, Any]], report: Report
) -> list[dict[str, Any]]:
    wanted = {image["id"] for image in approved}

    def released() -> list[dict[str, Any]] | None:
        found = [r for r in marta.get("releases")["items"] if r["subject_id"] in wanted]
        return found if len(found) == len(wanted) else None

    releases = wait_for("the releases", released, RELEASE_S)
    for release in releases:
        passport = json.loads(marta.read(f"releases/{release['id']}/passport"))
        layers = {layer["layer"]: layer["state"] for layer in passport["marking"]["layers"]}
        _check(layers == {"xmp": "present", "c2pa": "Trusted"}, f"every mark reads back: {layers}")
        _check(
            passport["release"]["marked_sha256"] == release["marked_sha256"],
            "the passport names the marked bytes",
        )
        report.say(
            "5 released",
            f"{release['reviewed_sha256'][:12]}… → {release['marked_sha256'][:12]}… "
            f"leaf {passport['ledger']['leaf_index']}, XMP present, C2PA trusted",
        )
    return releases


def _publish(marta: Person, releases: list[dict[str, Any]], seeded: Seeded, report: Report) -> None:
    ordered = [
        (slug, marta.post(f"releases/{r['id']}/publications", {"destination_id": str(target)}))
        for r in releases
        for slug, target in seeded.destinations.items()
    ]
    published = []
    for slug, publication in ordered:

        def arrived(publication_id: str = publication["id"]) -> dict[str, Any] | None:
            found: dict[str, Any] = marta.get(f"publications/{publication_id}")
            _check(found["state"] != "failed", f"the delivery does not fail: {found}")
            return found if found["state"] == "published" else None

        found = wait_for("the publication", arrived, RELEASE_S)
        _check(
            sha256_hex(_fetch(found["location"])) == found["marked_sha256"],
            f"what lies at {found['location']} has the marked sha256",
        )
        published.append(found)
        report.say("5 published", f"{found['marked_sha256'][:12]}… to {slug}: {found['location']}")
    report.facts["releases"] = [
        {
            "release_id": release["id"],
            "reviewed_sha256": release["reviewed_sha256"],
            "marked_sha256": release["marked_sha256"],
            "publications": [
                {
                    "id": p["id"],
                    "destination": p["destination_slug"],
                    "state": p["state"],
                    "location": p["location"],
                }
                for p in published
                if p["release_id"] == release["id"]
            ],
        }
        for release in releases
    ]


def _fetch(location: str) -> bytes:
    """Return what lies at a destination, by a way that is not the publisher's."""
    if location.startswith("s3://"):
        return bucket.read(location)
    return Path(url2pathname(urlsplit(location).path)).read_bytes()


def _attack(
    marta: Person,
    clara: Person,
    rejected: dict[str, Any],
    release: dict[str, Any],
    seeded: Seeded,
    report: Report,
) -> None:
    target = seeded.destinations["folder"]
    status, problem = marta.call(
        "POST", f"assets/{rejected['id']}/publications", {"destination_id": str(target)}
    )
    _check(status == 409 and problem["code"] == "not_released", f"API: {status} {problem}")  # noqa: PLR2004
    report.say("6 API", f"refused: {problem['detail']}")

    app.send_task("publishing.release", kwargs={"case_id": rejected["case_id"]}, queue="publisher")

    def refused() -> dict[str, Any] | None:
        return next(
            (
                r
                for r in clara.get("refusals")["items"]
                if r["subject_id"] == rejected["id"] and r["category"] == "not_approved"
            ),
            None,
        )

    refusal = wait_for("the publisher's refusal", refused, RELEASE_S)
    report.say("6 task", f"refused: {refusal['reason']}")

    for label, values in _forgeries(rejected, release, seeded):
        model = apps.get_model(label)
        _must_fail(f"ORM: {label}", partial(model._default_manager.create, **values))  # noqa: SLF001
        _must_fail(f"SQL: {label}", partial(_insert_raw, model, values))
    report.say("6 ORM", "refused by the database: publication and release of the rejected bytes")
    report.say("6 SQL", "refused by the database: the same two as plain INSERT statements")
    report.facts["attacks_refused"] = ["api", "task", "orm", "sql"]


def _forgeries(
    rejected: dict[str, Any], release: dict[str, Any], seeded: Seeded
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield rows that would let the rejected bytes out: each is whole but for what it claims."""
    yield (
        "publishing.Publication",
        {
            "brand_id": seeded.brand_id,
            "release_id": UUID(release["id"]),
            "marked_sha256": rejected["sha256"],
            "destination_id": seeded.destinations["folder"],
            # A delivery of its own: else the earlier one would be in its way, not the gate.
            "attempt": 99,
            "requested_by": uuid7(),
            "created_at": now(),
        },
    )
    yield (
        "release.Release",
        {
            "approval_id": uuid7(),
            "subject_id": UUID(rejected["id"]),
            "brand_id": seeded.brand_id,
            "reviewed_sha256": rejected["sha256"],
            "marked_sha256": "0" * 64,
            "media_type": "image/png",
            "marking_profile": "embedded@1",
            "created_at": now(),
        },
    )


def _must_fail(what: str, attack: Callable[[], object]) -> None:
    """Run an attack that a guard or a right must stop; any other reason to fail proves nothing."""
    try:
        with transaction.atomic():
            attack()
    except (IntegrityError, ProgrammingError) as error:
        stopped = _is_by_a_guard(error) or _is_by_a_right(error)
        _check(stopped, f"{what} is stopped by a guard or a missing right, not by {error}")
        return
    raise StepFailed(f"{what} was not refused")


def _is_by_a_right(error: DatabaseError) -> bool:
    """Tell whether the login may not write there at all: web's role releases nothing."""
    return isinstance(error.__cause__, InsufficientPrivilege)


def _is_by_a_guard(error: DatabaseError) -> bool:
    constraints = (
        piece.name
        for guard in guards.manifest()
        for piece in guard.pieces(connection.vendor)
        if piece.kind == "constraint"
    )
    return guards.REFUSED in str(error) or any(name in str(error) for name in constraints)


def _insert_raw(model: type[models.Model], values: dict[str, Any]) -> None:
    """Write the row past every service and model, as somebody at the database's prompt would."""
    row = model(**values)
    fields = model._meta.concrete_fields  # noqa: SLF001
    columns = ", ".join(connection.ops.quote_name(str(f.column)) for f in fields)
    marks = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {model._meta.db_table} ({columns}) VALUES ({marks})",  # noqa: S608, SLF001
            [f.get_db_prep_save(getattr(row, f.attname), connection) for f in fields],
        )


def _verify(otto: Person, releases: list[dict[str, Any]], report: Report) -> None:
    """Export the ledger, then verify it in a process that has neither database nor settings."""
    vkey = (Path(settings.PUBLIC_KEY_FOLDER) / "ledger.vkey").read_text(encoding="utf-8").strip()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        summary = ledger.export(folder=folder / "export")
        told = _run_verifier("export", str(folder / "export"), "--key", vkey)
        report.say("7 ledger", f"{summary.size} entries, root {summary.root.hex()[:16]}…: {told}")
        for release in releases:
            image, passport = folder / "image", folder / "passport"
            passport.write_bytes(otto.read(f"releases/{release['id']}/passport"))
            image.write_bytes(_published_bytes(release["marked_sha256"]))
            told = _run_verifier("passport", str(passport), "--image", str(image), "--key", vkey)
            report.say("7 passport", f"{release['marked_sha256'][:12]}…: {told}")
    report.facts["ledger"] = {"size": summary.size, "root": summary.root.hex()}


def _published_bytes(sha256: str) -> bytes:
    return next((Path(settings.VAR) / "published").rglob(f"{sha256}.png")).read_bytes()


def _run_verifier(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-I", str(Path(verifier.__file__)), *arguments],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    _check(done.returncode == 0, f"the verifier is content: {done.stdout}{done.stderr}")
    return f"{len(done.stdout.strip().splitlines())} checks hold"


def _spent(marta: Person, seeded: Seeded) -> int:
    accounts = marta.get(f"quotas?brand_id={seeded.brand_id}")["items"]
    mine = next(account for account in accounts if account["holder_kind"] == "user")
    return int(mine["spent"] + mine["reserved"])


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {table}")  # noqa: S608  a literal of this module
        return int(cursor.fetchone()[0])


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise StepFailed(what)
