"""Hints are written by everybody and sent by the relay; they need no guard, being only hints."""

CHANGERS = {"outbox_outbox": frozenset({"sequencer"})}
