"""What the database refuses about refusals: to change, remove or replace one."""

from governance.tables.guards import append_only

GUARDS = (append_only("refusals_refusal"),)
