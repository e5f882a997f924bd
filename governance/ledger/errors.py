"""What can go wrong with the log; each error says which promise would have been broken."""

from governance.kernel.errors import DomainError, InvalidInput


class OutsideTransaction(RuntimeError):
    """An entry was appended without the change it records: a bug in the caller, never caught."""


class UnknownEvent(InvalidInput):
    """The event is not in the register (`governance.ledger.events.Event`)."""

    code = "unknown_event"


class FactNotRecordable(InvalidInput):
    """A fact has a type whose bytes could differ from one writer to the next."""

    code = "fact_not_recordable"


class EntryTooLarge(InvalidInput):
    """The leaf's bytes exceed the limit; record a digest of the large thing instead."""

    code = "entry_too_large"


class MalformedNote(InvalidInput):
    """The text is not a signed note, a checkpoint or a verifier key."""

    code = "malformed_note"


class SignatureInvalid(DomainError):
    """No signature of the expected key verifies."""

    code = "signature_invalid"


class CheckpointKeyMissing(DomainError):
    """The signing key, or the signer's own memory, is not where the settings say."""

    code = "checkpoint_key_missing"
    status = 503


class CheckpointKeyUnsafe(DomainError):
    """The signing key, or the signer's own memory, can be read or changed by others."""

    code = "checkpoint_key_unsafe"
    status = 503


class CheckpointKeyExists(DomainError):
    """There is a key already: a second one would start a second history."""

    code = "checkpoint_key_exists"
    status = 409


class LogRolledBack(DomainError):
    """The log is shorter than what was signed before: a restored backup or a cut tail."""

    code = "log_rolled_back"
    status = 409


class LogForked(DomainError):
    """The log is not an extension of what was signed before: its past has changed."""

    code = "log_forked"
    status = 409


class SignerBehind(DomainError):
    """The signer remembers less than was published: its memory was lost or put back."""

    code = "signer_behind"
    status = 409


class NotCovered(DomainError):
    """The entry is not under a signed checkpoint yet."""

    code = "not_covered"
    status = 409


class NothingSigned(DomainError):
    """There is no checkpoint yet, so there is nothing that an offline verifier could hold on to."""

    code = "nothing_signed"
    status = 409


class ExportAhead(DomainError):
    """The folder already holds an export that this log does not extend."""

    code = "export_ahead"
    status = 409


class LogDamaged(DomainError):
    """A leaf, entry or tile that the tree needs is missing or has the wrong shape; run fsck."""

    code = "log_damaged"
    status = 500


class StoreUnavailable(DomainError):
    """A place outside the database where the log is kept does not answer, or refuses."""

    code = "ledger_store_unavailable"
    status = 503


class StoreConflict(DomainError):
    """A name that is written once holds other bytes already."""

    code = "ledger_store_conflict"
    status = 409


class AnchorAhead(DomainError):
    """A checkpoint was anchored outside that is ahead of this log: a backup was restored."""

    code = "anchor_ahead"
    status = 409


class WitnessRefused(DomainError):
    """A witness knows another past of this log, or more of it than this database does."""

    code = "witness_refused"
    status = 409


class WitnessUnavailable(DomainError):
    """A witness does not answer, or answers what is no cosignature."""

    code = "witness_unavailable"
    status = 503


class HoldReasonMissing(InvalidInput):
    """A legal hold, and its lifting, state a reason."""

    code = "hold_reason_missing"
