"""What all tests of engines run under."""

from collections.abc import Iterator

import pytest

from generation.weights import runtime


@pytest.fixture(scope="module", autouse=True)
def small_sizes() -> Iterator[None]:
    """Let the pipelines that bring pictures to sizes of their own bring them to small ones."""
    kontext = runtime.load_library("diffusers.pipelines.flux.pipeline_flux_kontext")
    edit = runtime.load_library("diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(128, 128)])
        patched.setattr(edit, "VAE_IMAGE_SIZE", 128 * 128)
        patched.setattr(edit, "CONDITION_IMAGE_SIZE", 64 * 64)
        yield
