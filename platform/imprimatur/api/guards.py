"""Answers to repeated requests are web's own, and forgotten by the relay; they are no evidence."""

WRITERS = {"api_idempotentrequest": frozenset({"reviewer"})}
CHANGERS = {"api_idempotentrequest": frozenset({"reviewer", "sequencer"})}
