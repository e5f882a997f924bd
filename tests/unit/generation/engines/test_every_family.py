"""What every family's engine keeps to, on the random model of each family that there is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from generation.engines import previews, registry
from generation.engines.errors import Cancelled, ModelUnavailable, RenderFailed
from generation.engines.modes import Mode
from generation.engines.pixels import decode_latents
from generation.engines.placement import place
from generation.engines.resident import ResidentEngine
from generation.engines.spec import (
    AdapterRef,
    BoxMask,
    ControlRef,
    PictureRef,
    RunResult,
    RunSpec,
    SourceRef,
)
from generation.packs.manifest import Pack
from generation.packs.tiny import families
from generation.weights import runtime
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from tests.packs import shared_pack
from tests.unit.generation import photographs
from tests.unit.generation.conftest import spec_maker

FAMILIES = sorted(families.discover())
# What a pipeline calls our guidance, where it is another word.
GUIDANCE = {"qwen": "true_cfg_scale", "qwen_edit": "true_cfg_scale"}
# Refuses a text that is too long, as its pipeline cuts none off.
CUTS_NOTHING = {"qwen_edit"}

# Whose own decoding leaves the autoencoder's shift out, which its other pipelines add.
FORGETS_SHIFT = {"StableDiffusion3InpaintPipeline"}

PICTURES = [Mode.CONTROL, Mode.IMAGE_TO_IMAGE, Mode.INPAINT, Mode.REFERENCES]
BOX = photographs.box((30, 30, 90, 100))
OTHER = photographs.box((10, 60, 120, 110))
CORNER = BoxMask(0.0, 0.0, 0.5, 0.5)
# The plain pipeline of each way, where a plain call draws the same noise.
PLAIN = {
    ("sd3", Mode.IMAGE_TO_IMAGE): "StableDiffusion3Img2ImgPipeline",
    ("sd3", Mode.INPAINT): "StableDiffusion3InpaintPipeline",
    ("flux", Mode.IMAGE_TO_IMAGE): "FluxImg2ImgPipeline",
    ("flux", Mode.INPAINT): "FluxInpaintPipeline",
    ("qwen", Mode.IMAGE_TO_IMAGE): "QwenImageImg2ImgPipeline",
    ("qwen", Mode.INPAINT): "QwenImageInpaintPipeline",
}


def ignore(_done: int, _of: int) -> None:
    """Take no notice of a step."""


@dataclass(frozen=True)
class Family:
    """One family: its random pack, and an engine that the tests share."""

    name: str
    pack: Pack
    engine: ResidentEngine
    spec: RunSpec

    @property
    def modes(self) -> frozenset[Mode]:
        """Return what the pack's model can do."""
        return self.engine.modes_of(self.pack.model.folder)

    def render(self, **changes: Any) -> RunResult:
        """Render with single fields of the spec changed."""
        return self.engine.render(replace(self.spec, **changes), ignore)

    def asking(self, mode: Mode, image: bytes = BOX, share: float = 0.6) -> dict[str, Any]:
        """Change a spec so that it asks for one way with pictures, and no other."""
        digest = sha256_hex(image)
        words = {"source": None, "references": (), "control": None}
        match mode:
            case Mode.IMAGE_TO_IMAGE:
                return words | {"source": SourceRef(image, digest, share)}
            case Mode.INPAINT:
                return words | {"source": SourceRef(image, digest, share, CORNER)}
            case Mode.REFERENCES:
                return words | {"references": (PictureRef(image, digest),)}
        folder, sha256 = next(
            ((a.folder, a.snapshot_sha256) for a in self.pack.adapters if a.kind == "controlnet"),
            (Path("none"), "0" * 64),
        )
        return words | {"control": ControlRef(folder, sha256, image, digest, share)}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Family:
    pack = shared_pack(tmp_path_factory, request.param)
    engine = registry.discover()[pack.model.pipeline].engine()
    can = engine.modes_of(pack.model.folder)
    make = spec_maker(
        pack,
        negative_prompt="blurry" if Mode.NEGATIVE_PROMPT in can else "",
        guidance=pack.model.defaults.guidance,
    )
    family = Family(request.param, pack, engine, make())
    needed = {k: v for mode in engine.needed for k, v in family.asking(mode, BOX, 1.0).items()}
    return replace(family, spec=replace(family.spec, **needed))


class Screen:
    """A screen that somebody watches."""

    is_watched = True

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.shapes: list[tuple[int, ...]] = []

    def show(self, step: int, pixels: Any) -> None:
        self.steps.append(step)
        self.shapes.append(pixels.shape)


class TestRegistry:
    def test_every_engine_has_a_random_model_to_be_tried_with(self) -> None:
        found = {module.PIPELINE: name for name, module in families.discover().items()}
        assert {pipeline: registry.find(pipeline).family for pipeline in registry.discover()} == (
            found
        )


class TestRender:
    def test_gives_an_rgb_image_of_the_ordered_size(self, family: Family) -> None:
        made = family.render(width=192, height=128)
        assert (made.pixels.shape, made.pixels.dtype) == ((128, 192, 3), np.uint8)
        assert made.pixels.std() > 1

    def test_repeats_itself_bit_by_bit_also_when_newly_loaded(self, family: Family) -> None:
        before = family.render().pixels_sha256
        family.render(seed=99, width=192, steps=5)
        torch.manual_seed(5)
        assert family.render().pixels_sha256 == before
        newly_loaded = registry.discover()[family.spec.pipeline].engine()
        assert newly_loaded.render(family.spec, ignore).pixels_sha256 == before

    def test_leaves_the_global_random_state_alone(self, family: Family) -> None:
        before = torch.get_rng_state()
        family.render()
        assert torch.equal(torch.get_rng_state(), before)

    @pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
    def test_equals_the_plain_pipeline(self, family: Family, dtype: str) -> None:
        spec = replace(family.spec, dtype=dtype)
        made = family.engine.render(spec, ignore)
        pipeline = family.engine._obtain(spec, place(spec.device, spec.dtype))
        assert np.array_equal(plainly(family, spec, pipeline), made.pixels)

    @pytest.mark.parametrize(
        "change",
        [
            {"seed": 12},
            {"prompt": "a blue bottle in the sun"},
            {"steps": 4},
            {"max_sequence_length": 16},
            {"width": 144},
            {"guidance": 2.0},
            {"negative_prompt": "yellow plant"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_heeds_every_field_or_refuses_it(self, family: Family, change: dict[str, Any]) -> None:
        (field,) = change
        # Long enough that sixteen tokens cut it, whatever the family puts around it.
        wordy = {
            "prompt": "a red mug on a wooden table in the morning with a small green plant "
            "beside a blue vase in the warm light"
        }
        before = family.render(**wordy).pixels_sha256
        cuts = field != "max_sequence_length" or family.name not in CUTS_NOTHING
        if field in set(Mode) - family.modes or not cuts:
            with pytest.raises(InvalidInput) as refused:
                family.render(**wordy | change)
            assert refused.value.pointer == f"/{field}"
        else:
            assert family.render(**wordy | change).pixels_sha256 != before

    def test_shows_previews_that_change_no_pixel(
        self, family: Family, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(previews, "EVERY_S", 0.0)
        unseen, screen = family.render(steps=4), Screen()
        with previews.shown_on(screen):
            seen = family.render(steps=4)
        assert np.array_equal(unseen.pixels, seen.pixels)
        assert screen.steps == [2, 3]
        assert all(max(shape) <= previews.SIDE_MOST_PX for shape in screen.shapes)

    def test_states_what_a_replay_needs(self, family: Family) -> None:
        facts = family.render().facts
        assert facts["engine"] == family.engine.name
        assert facts["pipeline"] == family.pack.model.pipeline
        assert facts["snapshot.sha256"] == family.spec.snapshot_sha256
        assert facts["generator"] == "torch.Generator(cpu)"
        assert all(isinstance(value, str) for value in facts.values())


class TestPictures:
    @pytest.mark.parametrize("mode", PICTURES)
    def test_are_heeded_the_same_way_each_time_or_refused(self, family: Family, mode: Mode) -> None:
        if mode not in family.modes:
            with pytest.raises(InvalidInput) as refused:
                family.render(**family.asking(mode))
            assert refused.value.facts["rule"] in {"unsupported", "required"}
            return
        made = family.render(**family.asking(mode)).pixels_sha256
        usual = family.render().pixels_sha256
        assert family.render(**family.asking(mode, OTHER)).pixels_sha256 not in {usual, made}
        torch.manual_seed(5)
        state = torch.get_rng_state()
        assert family.render(**family.asking(mode)).pixels_sha256 == made
        assert torch.equal(torch.get_rng_state(), state)
        again = replace(family, engine=registry.discover()[family.spec.pipeline].engine())
        assert again.render(**family.asking(mode)).pixels_sha256 == made

    @pytest.mark.parametrize("mode", [Mode.IMAGE_TO_IMAGE, Mode.INPAINT])
    def test_to_start_from_give_what_the_plain_pipeline_gives(
        self, family: Family, mode: Mode
    ) -> None:
        if (family.name, mode) not in PLAIN:
            assert mode not in family.modes - family.engine.needed
            return
        spec = replace(family.spec, **family.asking(mode), dtype="bfloat16")
        made = family.engine.render(spec, ignore).pixels
        own = family.engine._obtain(spec, place(spec.device, spec.dtype))
        kind = getattr(runtime.load_library("diffusers"), PLAIN[family.name, mode])
        assert np.array_equal(made, plainly(family, spec, kind(**own.components)))

    def test_are_left_by_as_many_steps_as_the_strength_says(self, family: Family) -> None:
        for mode in family.modes & {Mode.IMAGE_TO_IMAGE, Mode.INPAINT}:
            images = {}
            for share, steps in ((0.3, 1), (1.0, 3)):
                heard: list[tuple[int, int]] = []
                spec = replace(family.spec, **family.asking(mode, BOX, share))
                made = family.engine.render(spec, lambda *told, heard=heard: heard.append(told))
                images[made.pixels_sha256] = heard
                assert heard == [(step, steps) for step in range(1, steps + 1)]
            assert len(images) == 2

    def test_are_kept_bit_for_bit_where_the_mask_is_black(self, family: Family) -> None:
        if Mode.INPAINT not in family.modes:
            return
        made = family.render(**family.asking(Mode.INPAINT, BOX, 1.0)).pixels
        photograph = photographs.pixels(BOX)
        assert np.array_equal(made[64:], photograph[64:])
        assert np.array_equal(made[:, 64:], photograph[:, 64:])
        assert (made[:64, :64] != photograph[:64, :64]).mean() > 0.5

    def test_to_look_at_count_in_their_number_and_order(self, family: Family) -> None:
        if Mode.REFERENCES not in family.modes:
            return
        box, other = (PictureRef(image, sha256_hex(image)) for image in (BOX, OTHER))
        if family.name == "flux_kontext":
            with pytest.raises(InvalidInput, match="looks at one picture"):
                family.render(references=(box, other))
            return
        images = [family.render(references=shown) for shown in ((box,), (box, other), (other, box))]
        assert len({image.pixels_sha256 for image in images}) == 3
        assert images[2].facts["reference.0.sha256"] == other.image_sha256

    def test_of_what_it_needs_cannot_be_left_out(self, family: Family) -> None:
        words = {"source": None, "references": ()}
        if family.engine.needed:
            with pytest.raises(InvalidInput, match="This model only") as refused:
                family.render(**words)
            assert refused.value.facts["rule"] == "required"
        else:
            assert family.render(**words).pixels.any()


class TestWhatItCannotDo:
    def test_refuses_a_lora_of_another_family(
        self, family: Family, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        other = shared_pack(tmp_path_factory, "flux" if family.name == "sd3" else "sd3")
        lora = lora_of(other)
        before = family.render().pixels_sha256
        with pytest.raises(ModelUnavailable, match="made for another model") as refused:
            family.render(adapters=(lora,))
        assert refused.value.facts["reason"] == "adapter_mismatch"
        assert family.render().pixels_sha256 == before

    def test_wears_a_lora_of_its_own_and_takes_it_off_without_a_trace(self, family: Family) -> None:
        lora = lora_of(family.pack)
        before = family.render().pixels_sha256
        worn = family.render(adapters=(lora,)).pixels_sha256
        lightly = family.render(adapters=(replace(lora, weight=0.5),)).pixels_sha256
        assert len({before, worn, lightly}) == 3
        assert family.render(adapters=(lora,)).pixels_sha256 == worn
        assert family.render().pixels_sha256 == before


class TestFailure:
    def test_stops_at_a_step_and_stays_usable(self, family: Family) -> None:
        before, heard = family.render().pixels_sha256, []

        def stop(done: int, of: int) -> None:
            heard.append((done, of))
            if done == 2:
                raise Cancelled

        with pytest.raises(Cancelled):
            family.engine.render(family.spec, stop)
        assert heard == [(1, 3), (2, 3)]
        assert family.render().pixels_sha256 == before

    def test_numbers_that_are_not_finite_make_no_image(
        self, family: Family, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        module = registry.discover()[family.spec.pipeline]
        plain: Callable[..., torch.Tensor] = module.denoise

        def overflow(*asked: object) -> torch.Tensor:
            return torch.full_like(plain(*asked), float("nan"))

        monkeypatch.setattr(module, "denoise", overflow)
        with pytest.raises(RenderFailed, match="not finite"):
            family.render()

    def test_a_black_image_is_none(self, family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
        black = np.zeros((128, 128, 3), np.uint8)
        module = registry.discover()[family.spec.pipeline]
        monkeypatch.setattr(module, "decode", lambda *_: black)
        with pytest.raises(RenderFailed, match="black all over"):
            family.render()
        black[0, 0, 0] = 1
        assert family.render().pixels[0, 0, 0] == 1


def lora_of(pack: Pack) -> AdapterRef:
    """Name a pack's LoRA as it would be worn at full strength."""
    lora = next(each for each in pack.adapters if each.kind == "lora")
    return AdapterRef(lora.folder, lora.snapshot_sha256, 1.0)


def plainly(family: Family, spec: RunSpec, pipeline: Any) -> Any:
    """Call a pipeline as its documentation says, with the fields of a spec."""
    guidance = GUIDANCE.get(family.name, "guidance_scale")
    asked: dict[str, Any] = {"output_type": "pil", guidance: spec.guidance}
    if Mode.NEGATIVE_PROMPT in family.modes:
        asked["negative_prompt"] = spec.negative_prompt
    if spec.source is not None:
        asked |= {"image": photographs.opened(BOX), "strength": spec.source.strength}
        if spec.source.mask is not None:
            asked["mask_image"] = photographs.mask(CORNER, (spec.width, spec.height))
    if spec.references:
        shown = [photographs.opened(each.image) for each in spec.references]
        asked["image"] = shown[0] if family.name == "flux_kontext" else shown
    if family.name == "flux_kontext":
        asked["max_area"] = spec.width * spec.height
    if type(pipeline).__name__ in FORGETS_SHIFT:
        asked["output_type"] = "latent"
    (made,) = pipeline(
        prompt=spec.prompt,
        width=spec.width,
        height=spec.height,
        num_inference_steps=spec.steps,
        max_sequence_length=spec.max_sequence_length,
        generator=torch.Generator("cpu").manual_seed(spec.seed),
        **asked,
    ).images
    if type(pipeline).__name__ in FORGETS_SHIFT:
        with torch.no_grad():
            made = decode_latents(pipeline, made[None])
    if spec.source is None or spec.source.mask is None:
        return np.asarray(made)
    return photographs.around(CORNER, np.asarray(made), BOX)
