"""LoRAs are verified, fit, change the image while they are worn, and leave no trace after."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from generation.engines.errors import ModelUnavailable
from generation.engines.placement import place
from generation.engines.sd3 import StableDiffusion3Engine
from generation.engines.spec import AdapterRef
from generation.packs.manifest import Pack
from generation.packs.tiny import sd3 as tiny
from generation.weights import snapshot
from governance.kernel.errors import InvalidInput
from tests.unit.generation.conftest import MakeSpec

Sha = Callable[..., str]


@pytest.fixture(scope="module")
def folders(demo_pack: Pack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two LoRAs for the same model: the pack's, and one of another seed."""
    other = tmp_path_factory.mktemp("adapters") / "other"
    tiny.save_lora(other, 8)
    return {"pack": next(a.folder for a in demo_pack.adapters if a.kind == "lora"), "other": other}


def worn(folder: Path, weight: float = 1.0) -> AdapterRef:
    """Name a LoRA as approved in its present state."""
    return AdapterRef(folder, snapshot.digest_folder(folder).sha256, weight)


@pytest.fixture
def sha(warm_engine: StableDiffusion3Engine, make_spec: MakeSpec) -> Sha:
    """Render with the shared engine, wearing what is given, and say which image it was."""
    return lambda *adapters: (
        warm_engine.render(make_spec(adapters=adapters), lambda _done, _of: None).pixels_sha256
    )


class TestWear:
    def test_changes_the_image_by_its_weight(self, sha: Sha, folders: dict[str, Path]) -> None:
        images = {
            sha(),
            sha(worn(folders["pack"])),
            sha(worn(folders["pack"], 0.5)),
            sha(worn(folders["pack"], -0.5)),
            sha(worn(folders["other"])),
            sha(worn(folders["pack"]), worn(folders["other"])),
        }
        assert len(images) == 6

    def test_is_bit_identical_after_others_were_worn(
        self, sha: Sha, folders: dict[str, Path]
    ) -> None:
        bare, one = sha(), sha(worn(folders["pack"]))
        two = sha(worn(folders["other"], 0.7))
        assert sha(worn(folders["pack"])) == one
        assert sha() == bare
        assert sha(worn(folders["other"], 0.7)) == two

    def test_is_bit_identical_in_a_newly_loaded_model(
        self, sha: Sha, folders: dict[str, Path], make_spec: MakeSpec
    ) -> None:
        both = worn(folders["pack"]), worn(folders["other"], 0.3)
        fresh = StableDiffusion3Engine().render(make_spec(adapters=both), lambda _done, _of: None)
        assert sha(*both) == fresh.pixels_sha256

    def test_never_fuses(
        self,
        sha: Sha,
        folders: dict[str, Path],
        warm_engine: StableDiffusion3Engine,
        make_spec: MakeSpec,
    ) -> None:
        sha(worn(folders["pack"]))
        transformer = warm_engine._obtain(make_spec(), place("cpu", "float32")).transformer
        before = {
            name: weights.clone()
            for name, weights in transformer.state_dict().items()
            if "base_layer" in name
        }
        sha(worn(folders["other"]))
        after = transformer.state_dict()
        assert before
        assert all(weights.equal(after[name]) for name, weights in before.items())

    def test_keeps_a_bounded_number_in_memory(
        self,
        sha: Sha,
        folders: dict[str, Path],
        warm_engine: StableDiffusion3Engine,
        tmp_path: Path,
    ) -> None:
        first = sha(worn(folders["pack"]))
        for seed in range(20, 29):
            tiny.save_lora(tmp_path / str(seed), seed)
            sha(worn(tmp_path / str(seed)))
        (held,) = [each for each in warm_engine._shelf.held if each.adapters]
        assert len(held.adapters) == 8
        assert sha(worn(folders["pack"])) == first


class TestRefusal:
    @pytest.mark.parametrize("weight", [0.0, 2.1, -2.1, float("nan"), 1])
    def test_of_a_weight_out_of_range(self, weight: float) -> None:
        with pytest.raises(InvalidInput) as refused:
            AdapterRef(Path("x"), "0" * 64, weight)
        assert refused.value.pointer == "/adapters"

    def test_of_the_same_one_twice_and_of_too_many(
        self, folders: dict[str, Path], make_spec: MakeSpec
    ) -> None:
        with pytest.raises(InvalidInput, match="once"):
            make_spec(adapters=(worn(folders["pack"]), worn(folders["pack"], 0.5)))
        many = tuple(AdapterRef(Path("x"), f"{number}" * 64, 1.0) for number in range(5))
        with pytest.raises(InvalidInput, match="at most 4"):
            make_spec(adapters=many)

    def test_of_bytes_that_changed(
        self, make_spec: MakeSpec, folders: dict[str, Path], tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(folders["other"], tmp_path / "lora"))
        named = worn(folder)
        path = folder / "pytorch_lora_weights.safetensors"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        # The approved bytes may hang in the wardrobe already; a new engine has to read the folder.
        with pytest.raises(ModelUnavailable, match="changed since it was approved"):
            StableDiffusion3Engine().render(make_spec(adapters=(named,)), lambda _done, _of: None)

    def test_of_a_pickle(self, tmp_path: Path, folders: dict[str, Path]) -> None:
        folder = Path(shutil.copytree(folders["other"], tmp_path / "lora"))
        (folder / "pytorch_lora_weights.bin").write_bytes(b"\x80\x04.")
        with pytest.raises(snapshot.UnsafeSnapshot):
            snapshot.digest_folder(folder)

    @pytest.mark.parametrize("harm", ["truncated", "half", "alien", "shape", "second"])
    def test_of_a_file_that_is_no_whole_lora(
        self, sha: Sha, folders: dict[str, Path], tmp_path: Path, harm: str
    ) -> None:
        before = sha()
        folder = Path(shutil.copytree(folders["other"], tmp_path / "lora"))
        _harm(folder / "pytorch_lora_weights.safetensors", harm)
        with pytest.raises(ModelUnavailable) as refused:
            sha(worn(folder))
        assert refused.value.facts["reason"] in {
            "adapter_unreadable",
            "adapter_mismatch",
            "unloadable",
        }
        assert sha() == before


def _harm(path: Path, harm: str) -> None:
    """Break a LoRA in one of the ways that are met."""
    weights = load_file(path)
    name = max(weights)
    if harm == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
        return
    if harm == "second":
        save_file(weights, path.with_name("more.safetensors"))
        return
    if harm == "half":
        del weights[name]
    elif harm == "alien":
        weights["lora_unet_down.lora_down.weight"] = weights.pop(name)
    else:
        weights[name] = weights[name][:-1].contiguous()
    save_file(weights, path)
