"""Put the licences of the demo pack's models on record, as two people."""

from datetime import datetime
from uuid import UUID

from generation.packs import manifest
from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.licences import selectors as licence_selectors
from governance.licences import services as licences
from governance.licences.records import Terms
from governance.licences.states import Purpose


def agree_to_card(
    proposer: Actor,
    approver: Actor,
    model: manifest.PackModel | manifest.PackAdapter,
    now: datetime,
) -> UUID:
    """Put the model's licence on record; its text is the model card, which names it."""
    text = (model.folder / "README.md").read_bytes()
    found = licence_selectors.find_agreed(model.licence, sha256_hex(text))
    if found is not None:
        return found.id
    proposed = licences.propose_licence(
        actor=proposer,
        identifier=model.licence,
        name="Demo model: no rights reserved",
        text=text,
        text_sha256=sha256_hex(text),
        terms=Terms(purposes=tuple(Purpose.values)),
        now=now,
    )
    return licences.agree_licence(actor=approver, licence_id=proposed.id, now=now).id
