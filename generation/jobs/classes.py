"""Worker classes: what of a machine and its libraries decides the bytes of an image.

Two images of one recipe, made by the same class, are the same bytes: that is the promise. A fact
that is missing counts as one of its own, so an older recipe, which recorded less, is of a class
that nothing is promised for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from governance.kernel.digests import canonical_json, sha256_hex

# What the recipe's own facts say of the model, its scheduler and its picture is in the recipe
# already, and is made the same again or refused.
_DECIDING = frozenset(
    {
        "cuda",
        "cudnn",
        "device.name",
        "dtype",
        "engine",
        "generator",
        "machine",
        "python",
    }
)
_DECIDING_FAMILIES = ("cpu.", "encoder", "library.", "torch.")
# Recorded only where a picture is followed; the encoder's own fact says the same of every image.
_LEFT_OUT = frozenset({"library.pillow"})
# On a graphics device the processor draws the noise and calculates nothing else.
_CPU_ONLY = frozenset({"cpu.model"})


@dataclass(frozen=True, slots=True)
class WorkerClass:
    """A class of worker: its facts, and their digest as its name."""

    sha256: str
    facts: Mapping[str, str]


def class_of(facts: Mapping[str, str]) -> WorkerClass:
    """Return the class that a recipe's facts, or a new rendering's, stand for.

    >>> one = class_of({"device": "cuda:0", "device.name": "X1", "snapshot.sha256": "aa"})
    >>> dict(one.facts)
    {'device.name': 'X1', 'device': 'cuda'}
    >>> one == class_of({"device": "cuda:1", "device.name": "X1", "snapshot.sha256": "bb"})
    True
    """
    device = facts.get("device", "").partition(":")[0]
    chosen = {
        name: value
        for name, value in sorted(facts.items())
        if (name in _DECIDING or name.startswith(_DECIDING_FAMILIES))
        and name not in _LEFT_OUT
        and not (name in _CPU_ONLY and device != "cpu")
    }
    if device:
        chosen["device"] = device
    return WorkerClass(sha256_hex(canonical_json(chosen)), chosen)


def changed(then: WorkerClass, now: WorkerClass) -> list[dict[str, str]]:
    """List the facts in which two classes differ, by name; an absent one is an empty text.

    >>> changed(class_of({"python": "3.11"}), class_of({"python": "3.12"}))
    [{'fact': 'python', 'then': '3.11', 'now': '3.12'}]
    """
    names: Iterable[str] = sorted(then.facts.keys() | now.facts.keys())
    return [
        {"fact": name, "then": then.facts.get(name, ""), "now": now.facts.get(name, "")}
        for name in names
        if then.facts.get(name) != now.facts.get(name)
    ]
