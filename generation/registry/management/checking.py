"""What is to be known of a model before anybody approves it: findings, each with a verdict.

Nothing is proposed and nothing is written. What could not be found out speaks against the model.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from generation.engines import registry as engines
from generation.engines.handling import read as read_handling
from generation.engines.memory import Budget, expect, usual_budget
from generation.registry import conventions, selectors
from generation.registry.conventions import Defaults
from generation.registry.management import pins, trying
from generation.registry.management.trying import Run
from generation.weights import sizes, snapshot
from governance.kernel.actors import Actor
from governance.kernel.errors import DomainError, InvalidInput
from governance.licences import selectors as licences
from governance.licences.records import LicenceRecord

GOOD: Final = "good"
MIND: Final = "mind"
BAD: Final = "bad"

_CARD = "README.md"
_LICENCE_FILES = ("license", "licence", "copying")


@dataclass(frozen=True)
class Finding:
    """How one thing stands: good, to be minded by whoever approves, or bad; and what to do next."""

    check: str
    verdict: str
    says: str
    then: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Candidate:
    """A model folder that somebody thinks of using, how it would be run, and by what right."""

    actor: Actor
    folder: Path
    run: Run
    device: str
    licence_id: UUID | None
    convention: str
    # The digest on record, of a model that was proposed already.
    pinned_sha256: str = ""


def named(options: Mapping[str, Any]) -> Candidate:
    """Return the candidate that a command names: a folder, or the id of a profile.

    Raises: NotFound, UnknownConvention, InvalidInput for a placement that is none.
    """
    actor = pins.actor_named(options["username"])
    read_handling(options["placement"])
    try:
        profile = selectors.get_profile(UUID(options["model"]))
    except ValueError:
        convention = options["convention"] or ""
        defaults = conventions.read(convention).defaults if convention else Defaults()
        return Candidate(
            actor=actor,
            folder=pins.folder_of(options["model"]),
            run=trying.settle(options, defaults),
            device=options["device"],
            licence_id=options["licence"],
            convention=convention,
        )
    if profile.endpoint:
        raise InvalidInput(
            f"This model is run at the endpoint {profile.endpoint}: see `endpoints check`.",
            pointer="/model",
            rule="endpoint",
        )
    on_record = {**profile.parameters, "dtype": profile.dtype, "placement": profile.handling}
    return Candidate(
        actor=actor,
        folder=pins.folder_of(profile.folder),
        run=trying.settle({**options, **on_record}, Defaults()),
        device=profile.device,
        licence_id=profile.licence_id,
        convention=str(profile.parameters.get("convention", "")),
        pinned_sha256=profile.snapshot_sha256,
    )


def check(candidate: Candidate) -> list[Finding]:
    """Ask everything in turn; a model whose files are unsafe or unknown is not loaded."""
    found = [_guarded("files", lambda: _files(candidate))]
    if found[0].verdict != BAD:
        found.append(_guarded("family", lambda: _family(candidate)))
    may_run = all(each.verdict != BAD for each in found)
    found.append(_guarded("papers", lambda: _papers(candidate)))
    found.append(_guarded("licence", lambda: _licence(candidate)))
    if may_run:
        found.append(_guarded("memory", lambda: _memory(candidate)))
        if found[-1].verdict != BAD:
            found.append(_guarded("trial", lambda: _trial(candidate)))
    return found


def in_words(finding: Finding) -> str:
    """Write one finding as a line, and what to do next below it."""
    line = f"{finding.verdict:4}  {finding.check:8}  {finding.says}"
    return f"{line}\n{'':16}Next: {finding.then}" if finding.then else line


def as_document(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return all findings for a machine."""
    return {
        "verdict": next((v for v in (BAD, MIND) if any(f.verdict == v for f in findings)), GOOD),
        "checks": [asdict(each) for each in findings],
    }


def _guarded(name: str, ask: Callable[[], Finding]) -> Finding:
    """Turn a refusal into the finding that it is."""
    try:
        return ask()
    except DomainError as error:
        return Finding(name, BAD, error.detail, "See to what the sentence names.")


def _files(candidate: Candidate) -> Finding:
    found = snapshot.digest_folder(candidate.folder)
    facts = {
        "sha256": found.sha256,
        "bytes": found.size_bytes,
        "files": [asdict(each) for each in found.files],
    }
    says = f"{len(found.files)} files, {_gib(found.size_bytes)}, digest {found.sha256[:12]}"
    if candidate.pinned_sha256 not in {"", found.sha256}:
        return Finding(
            "files",
            BAD,
            f"{says}; the digest on record is {candidate.pinned_sha256[:12]}.",
            "Restore the files that were proposed, or propose these.",
            facts,
        )
    return Finding("files", GOOD, f"{says}; nothing in them can run code.", facts=facts)


def _family(candidate: Candidate) -> Finding:
    pipeline = trying.pipeline_of(candidate.folder)
    engine = engines.find(pipeline)
    modes = sorted(engine.modes_of(candidate.folder))
    return Finding(
        "family",
        GOOD,
        f"{engine.family}, a {pipeline}; it takes {', '.join(modes) or 'words only'}.",
        facts={"family": engine.family, "pipeline": pipeline, "modes": modes},
    )


def _papers(candidate: Candidate) -> Finding:
    """Look for what says where the weights come from, and what may be done with them."""
    names = sorted(path.name for path in candidate.folder.glob("*") if path.is_file())
    has_card = _CARD in names
    texts = [name for name in names if name.lower().startswith(_LICENCE_FILES)]
    facts = {"card": has_card, "licence_files": texts}
    lacking = [
        *([] if has_card else [f"no model card ({_CARD})"]),
        *([] if texts else ["no licence file (LICENSE.md or LICENSE.txt)"]),
    ]
    if lacking:
        return Finding(
            "papers",
            MIND,
            f"The folder has {' and '.join(lacking)}.",
            "Copy them from where the weights come from, so that they are pinned with them.",
            facts,
        )
    return Finding("papers", GOOD, f"{_CARD} and {', '.join(texts)}.", facts=facts)


def _licence(candidate: Candidate) -> Finding:
    if candidate.licence_id is None:
        return Finding(
            "licence",
            BAD,
            "No licence on record was named, and nothing is made without one.",
            "Put its text on record, let somebody else agree to it, and name it with --licence.",
        )
    licence = licences.get_licence(candidate.actor, candidate.licence_id)
    purpose = settings.PURPOSE
    facts = {
        "identifier": licence.identifier,
        "state": licence.state,
        "purpose": purpose,
        "obligations": list(licence.terms.obligations),
        "revenue_limit": _text(licence.terms.revenue_limit),
        "revenue_currency": licence.terms.revenue_currency,
    }
    objection = licences.objection(licence.id, purpose)
    if objection is not None:
        return Finding("licence", BAD, objection.reason, "Name a licence that permits it.", facts)
    if beyond := _beyond(candidate, licence):
        return Finding(
            "licence",
            MIND,
            f"{licence.identifier} on record permits more than the model's own licence: {beyond}.",
            "If you bought that right, add it with --licence-permits-more; else name another one.",
            facts,
        )
    terms = list(_to_be_minded(licence))
    return Finding(
        "licence",
        MIND if terms else GOOD,
        f"{licence.identifier} permits {purpose} use.",
        " ".join(terms),
        facts,
    )


def _to_be_minded(licence: LicenceRecord) -> Iterator[str]:
    """Say what a licence asks of whoever uses the model."""
    terms = licence.terms
    if terms.revenue_limit is not None:
        yield (
            "Make sure that your yearly revenue stays below "
            f"{terms.revenue_limit:,.0f} {terms.revenue_currency}."
        )
    if terms.obligations:
        yield f"See to what it asks for: {', '.join(terms.obligations)}."


def _beyond(candidate: Candidate, licence: LicenceRecord) -> str:
    """Say what the licence on record permits beyond what the convention states."""
    stated = conventions.read(candidate.convention).licence if candidate.convention else None
    return conventions.in_words(conventions.beyond(stated.terms, licence.terms)) if stated else ""


def _memory(candidate: Candidate) -> Finding:
    run = candidate.run
    handling = read_handling(run.handling)
    is_graphics = candidate.device != "cpu"
    needed = expect(candidate.folder, run.dtype, handling, is_graphics=is_graphics)
    parts = {
        name: int(size.numbers * handling.bytes_a_number(name, run.dtype)) + size.other_bytes
        for name, size in sizes.measure(candidate.folder).items()
    }
    facts = {
        "parts_bytes": parts,
        "device_bytes": needed.device_bytes,
        "host_bytes": needed.host_bytes,
    }
    largest = max(parts.items(), key=lambda part: part[1], default=("nothing", 0))
    says = (
        f"The weights take {_gib(needed.device_bytes or needed.host_bytes)} in {run.dtype}, "
        f"{_gib(largest[1])} of them in '{largest[0]}'"
    )
    excess = _budget(candidate.device).excess(needed)
    if excess is not None:
        return Finding(
            "memory",
            BAD,
            f"{says}; this {excess.where} keeps {_gib(excess.allowed)} for models.",
            f"Raise {excess.setting}, use a larger machine, or try --placement group_offload "
            "(with a graphics device) or a smaller --dtype.",
            facts,
        )
    return Finding("memory", GOOD, f"{says}; that fits here.", facts=facts)


def _trial(candidate: Candidate) -> Finding:
    sha256 = snapshot.digest_folder(candidate.folder).sha256
    pipeline = trying.pipeline_of(candidate.folder)
    tried = trying.measure(candidate.folder, sha256, pipeline, candidate.run, candidate.device)
    said = "; ".join(
        f"{each.width_px} x {each.height_px} px: {each.warm_s:.2f} s, at first {each.first_s:.2f} s"
        for each in tried
    )
    most = max(each.peak_bytes for each in tried)
    return Finding(
        "trial",
        GOOD,
        f"{said}. At most {_gib(most)} of memory.",
        facts={"images": [asdict(each) for each in tried]},
    )


def _budget(device: str) -> Budget:
    """Return what a worker with these settings keeps for models."""
    usual = usual_budget(device)
    stated = (settings.WORKER_DEVICE_MODELS_GIB, settings.WORKER_HOST_MODELS_GIB)
    return Budget(
        *(
            usually if said is None else int(said * 2**30)
            for said, usually in zip(stated, (usual.device_bytes, usual.host_bytes), strict=True)
        )
    )


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"
