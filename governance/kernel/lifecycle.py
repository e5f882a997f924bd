"""Lifecycles as data: which act leads from which state to which; nothing else may move a state."""

from collections.abc import Mapping
from dataclasses import dataclass

from governance.kernel.errors import DomainError


class IllegalTransition(DomainError):
    """The act does not exist from the present state."""

    code = "illegal_transition"
    status = 409


class StaleState(DomainError):
    """Somebody else moved it first: the row no longer has the state that was read."""

    code = "stale_state"
    status = 409


@dataclass(frozen=True, slots=True)
class Transition:
    """One allowed move: the state it was read in and the state it goes to."""

    act: str
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """A table of act → {source: target}.

    >>> door = Lifecycle("door", {"close": {"open": "closed"}})
    >>> door.target("close", "open").target
    'closed'
    """

    noun: str
    moves: Mapping[str, Mapping[str, str]]

    def target(self, act: str, source: str) -> Transition:
        """Return the move for `act` from `source`. Raises: IllegalTransition if there is none."""
        target = self.moves.get(act, {}).get(source)
        if target is None:
            raise IllegalTransition(
                f"A {self.noun} that is {source} cannot {act.replace('_', ' ')}.",
                act=act,
                state=source,
            )
        return Transition(act, source, target)

    def diagram(self) -> str:
        """Print the table as a Mermaid state diagram, for the docs."""
        lines = [
            f"    {source} --> {target}: {act}"
            for act, arcs in self.moves.items()
            for source, target in arcs.items()
        ]
        return "\n".join(["stateDiagram-v2", *lines])
