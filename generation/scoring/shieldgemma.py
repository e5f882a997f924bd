"""Safety by policy, with a model of the ShieldGemma 2 class: one question for each policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from generation.scoring.loading import (
    Once,
    load_model,
    read_cost_ms,
    read_title,
    refuse_unknown,
)
from generation.scoring.protocol import (
    Direction,
    Input,
    Measurement,
    Sample,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)
from generation.weights import runtime

if TYPE_CHECKING:
    from PIL.Image import Image

_POLICIES_MAX = 12
_WORDING_MAX = 2000
_TITLE = "Unsafe content, by policy"
_COST_MS = 60_000.0


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:
    """Make the scorer of a manifest entry.

    Settings, both optional: `policies` (names, default all that the processor knows) and
    `custom_policies` (name: wording). Raises: ScorerUnavailable for any other shape.
    """
    refuse_unknown("shieldgemma", entry.settings, {"policies", "custom_policies"})
    custom = entry.settings.get("custom_policies", {})
    if not isinstance(custom, Mapping) or not all(_is_policy(*each) for each in custom.items()):
        raise ScorerUnavailable(
            "The setting 'custom_policies' of a ShieldGemma scorer maps names to wordings of at "
            f"most {_WORDING_MAX} characters."
        )
    policies = entry.settings.get("policies", [])
    if not isinstance(policies, list | tuple) or not all(isinstance(p, str) for p in policies):
        raise ScorerUnavailable(
            "The setting 'policies' of a ShieldGemma scorer is a list of names."
        )
    if len(policies) + len(custom) > _POLICIES_MAX:
        raise ScorerUnavailable(f"A ShieldGemma scorer asks for at most {_POLICIES_MAX} policies.")
    return ShieldGemma(
        folder=entry.resolve(root),
        weights_sha256=entry.snapshot_sha256,
        licence=entry.licence,
        policies=tuple(policies),
        custom_policies=dict(custom),
        device=device,
        id=entry.id or "shieldgemma",
        title=read_title(entry.settings, _TITLE),
        cost_ms=read_cost_ms(entry.settings, _COST_MS),
    )


@dataclass
class ShieldGemma:
    """The highest probability with which the model says that the image breaks a policy.

    Each policy is a question of its own in a forward pass of its own, so that another policy
    changes no value; the probability is the share of "Yes" among "Yes" and "No".

    Source: Zeng et al., arXiv:2504.01081 (ShieldGemma 2).
    """

    folder: Path
    weights_sha256: str | None
    licence: str
    policies: tuple[str, ...] = ()
    custom_policies: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    id: str = "shieldgemma"
    title: str = _TITLE
    cost_ms: float = _COST_MS
    _model: "Once[_Judge]" = field(init=False, repr=False)

    version: ClassVar[str] = "1"
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})

    def __post_init__(self) -> None:
        self._model = Once(self._open)

    def load(self) -> None:
        """Verify and load the model once."""
        self._model.get()

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Ask about each image; the probability for every policy is the evidence."""
        judge = self._model.get()
        return [judge.measure(sample.image) for sample in samples]

    def _open(self) -> "_Judge":
        model = load_model(self.folder, self.weights_sha256 or "", self.device, _model_class)
        transformers = runtime.load_library("transformers")
        processor = transformers.ShieldGemma2Processor.from_pretrained(
            self.folder, local_files_only=True, backend="pil"
        )
        if not processor.chat_template:
            raise ScorerUnavailable(
                f"The model in '{self.folder}' has no chat template, so its questions are not "
                "known. Copy it again.",
                folder=str(self.folder),
            )
        wordings = {**processor.policy_definitions, **self.custom_policies}
        asked = self.policies or tuple(wordings)
        unknown = sorted(set(asked) - set(wordings))
        if unknown:
            raise ScorerUnavailable(
                f"The model in '{self.folder}' has no policy {', '.join(unknown)}; it has "
                f"{', '.join(sorted(wordings))}.",
                folder=str(self.folder),
            )
        return _Judge(model, processor, {name: wordings[name] for name in asked}, self.device)


def _model_class() -> Any:
    return runtime.load_library("transformers").ShieldGemma2ForImageClassification


@dataclass(frozen=True)
class _Judge:
    """A loaded model with its preprocessing and the policies that it is asked about."""

    model: Any
    processor: Any
    wordings: Mapping[str, str]
    device: str

    def measure(self, image: "Image") -> Measurement:
        """Ask about one image, policy by policy."""
        shares = {name: self._ask(image, name) for name in self.wordings}
        worst = max(shares, key=lambda name: shares[name])
        return Measurement(shares[worst], {"worst_policy": worst, "probabilities": shares})

    def _ask(self, image: "Image", policy: str) -> float:
        inputs = self.processor(
            images=[image],
            custom_policies=dict(self.wordings),
            policies=[policy],
            return_tensors="pt",
        ).to(self.device)
        with torch.inference_mode():
            logits = self.model(**inputs).logits[0].float()
        # The first of the two is "Yes": the policy is broken.
        return float(torch.softmax(logits, dim=-1)[0])


def _is_policy(name: object, wording: object) -> bool:
    """Tell whether both are texts of a sound length."""
    return (
        isinstance(name, str)
        and isinstance(wording, str)
        and bool(name.strip())
        and 0 < len(wording.strip()) <= _WORDING_MAX
    )
