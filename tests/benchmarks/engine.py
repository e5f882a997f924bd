"""Times the engine by itself: cold start, change of model and look, exactness, embeddings.

Run `python -m tests.benchmarks.engine`. It needs no database; the models are the demo pack and a
random one of another family, so what counts are the ratios.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

RUNS = 10
EXACT = 20
COLD = """
import sys, time
began = time.perf_counter()
from tests.benchmarks import engine
spec = engine.demo_spec(engine.demo_pack(sys.argv[1]))
print(engine.seconds(lambda: engine.render(spec)), time.perf_counter() - began)
"""


def main() -> None:
    """Print each figure beside its baseline."""
    import torch

    from generation.weights import runtime

    runtime.prepare_process()
    torch.set_num_threads(2)
    with TemporaryDirectory() as folder:
        cold(folder)
        pack = demo_pack(folder)
        spec = demo_spec(pack)
        render(spec)
        warm_s = many(lambda: render(spec))
        say(f"demo pack, 256 px, {spec.steps} steps, warm: {warm_s * 1000:.0f} ms an image")
        looks(pack, spec, warm_s)
        switch(Path(folder), spec, warm_s)
        exact(spec)


def cold(folder: str) -> None:
    """Start a process and make its first image."""
    demo_pack(folder)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COLD, folder], capture_output=True, check=True
    )
    first_s, whole_s = map(float, run.stdout.split()[-2:])
    say(f"cold start to first image: {whole_s:.1f} s, {first_s:.1f} s of it loading and rendering")


def looks(pack: Any, spec: Any, warm_s: float) -> None:
    """Put a look on, take it off, wear it in a stack."""
    from generation.engines.spec import AdapterRef

    lora = next(each for each in pack.adapters if each.kind == "lora")
    worn = AdapterRef(lora.folder, lora.snapshot_sha256, 0.8)
    dressed = replace(spec, adapters=(worn,))
    first_s = seconds(lambda: render(dressed))
    worn_s = many(lambda: render(dressed))

    def back_and_forth() -> None:
        render(spec)
        render(dressed)

    swap_ms = (many(back_and_forth) - warm_s - worn_s) / 2 * 1000
    say(
        f"a look: {first_s - worn_s:.2f} s to load it once, {swap_ms:.0f} ms a change after that; "
        f"an image with it takes {worn_s / warm_s:.2f} of one without"
    )


def switch(folder: Path, spec: Any, warm_s: float) -> None:
    """Change between two models: both in memory, and with room for one."""
    from generation.engines import registry

    other = other_spec(folder)
    render(other)
    other_s = many(lambda: render(other))

    def change() -> None:
        render(spec)
        render(other)

    held_ms = (many(change) - warm_s - other_s) / 2 * 1000

    def reload_each() -> None:
        registry.SHELF.clear()
        render(spec)
        registry.SHELF.clear()
        render(other)

    loaded_ms = (many(reload_each) - warm_s - other_s) / 2 * 1000
    say(
        f"a change of model: {max(held_ms, 0):.0f} ms where both are in memory, {loaded_ms:.0f} ms "
        "where it is loaded (hashed, read, placed)"
    )


def exact(spec: Any) -> None:
    """Make one image again and again, between others."""
    from generation.engines import registry

    found = set()
    for number in range(EXACT):
        found.add(render(spec).pixels_sha256)
        render(replace(spec, seed=100 + number, width=128))
        if number % 5 == 4:
            registry.SHELF.clear()
    say(f"the same recipe {EXACT} times, between others and newly loaded: {len(found)} image(s)")


def demo_pack(folder: str) -> Any:
    """Return the shipped pack, put under a folder once."""
    from generation.packs import shipped

    return shipped.install(Path(folder) / "demo").pack


def other_spec(folder: Path) -> Any:
    """Return a spec for a random model of another family."""
    from generation.packs import builder

    model = builder.build(folder / "flux", seed=7, family="flux").pack.model
    return replace(demo_spec_of(model), width=128, height=128)


def demo_spec(pack: Any) -> Any:
    """Return a spec for the pack's model, as the demo orders it."""
    return demo_spec_of(pack.model)


def demo_spec_of(model: Any) -> Any:
    """Return a spec for a model by its defaults."""
    from generation.engines.spec import RunSpec

    return RunSpec(
        folder=model.folder,
        snapshot_sha256=model.snapshot_sha256,
        pipeline=model.pipeline,
        prompt="a red mug on a wooden table",
        negative_prompt="",
        width=256,
        height=256,
        steps=model.defaults.steps,
        guidance=model.defaults.guidance,
        seed=7,
        max_sequence_length=model.defaults.max_sequence_length,
        device="cpu",
        dtype="float32",
    )


def render(spec: Any) -> Any:
    """Make one image."""
    from generation.engines import registry

    return registry.find(spec.pipeline).render(spec, lambda _done, _of: None)


def many(act: Callable[[], object]) -> float:
    """Return the median of several runs, in seconds."""
    return median(seconds(act) for _ in range(RUNS))


def seconds(act: Callable[[], object]) -> float:
    """Time one run."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
