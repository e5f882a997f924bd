"""What is said of full models can be run by their engines, and of their licences be compared."""

from decimal import Decimal
from typing import Any

import pytest

from generation.engines import registry
from generation.engines.spec import RunSpec
from generation.registry import conventions
from generation.registry.errors import (
    ConventionMismatch,
    LicencePermitsMore,
    UnknownConvention,
)
from governance.kernel.errors import InvalidInput
from governance.kernel.ids import uuid7
from governance.licences.records import LicenceRecord, Terms
from governance.licences.states import Purpose
from tests.factories.quota import NOW

ALL = conventions.list_names()


def licence(*purposes: str, limit: int | None = None, currency: str = "") -> LicenceRecord:
    """Return a licence on record that permits these."""
    return LicenceRecord(
        id=uuid7(),
        created_at=NOW,
        identifier="LicenseRef-ours",
        number=1,
        name="Ours",
        text_sha256="0" * 64,
        terms=Terms(
            purposes=purposes,
            revenue_limit=None if limit is None else Decimal(limit),
            revenue_currency=currency,
        ),
        proposed_by=uuid7(),
        agreed_by=None,
        agreed_at=None,
        retired_at=None,
    )


def hold(name: str, recorded: LicenceRecord, **changes: Any) -> dict[str, str | list[str]]:
    """Hold a proposal of the right pipeline against a convention."""
    usual = {"pipeline": conventions.read(name).pipeline, "permits_more": False}
    return conventions.hold(name, licence=recorded, **usual | changes)


class TestEach:
    @pytest.mark.parametrize("name", ALL)
    def test_is_of_a_family_that_has_an_engine(self, name: str) -> None:
        found = conventions.read(name)
        assert registry.find(found.pipeline).family == found.family
        assert found.repository.count("/") == 1
        assert found.cautions

    @pytest.mark.parametrize("name", ALL)
    def test_has_defaults_that_an_engine_takes(self, name: str) -> None:
        found = conventions.read(name)
        known = {
            field: value
            for field in ("steps", "guidance", "max_sequence_length", "dtype")
            if (value := getattr(found.defaults, field)) is not None
        }
        for width, height in found.defaults.sizes:
            RunSpec(
                **{"steps": 1, "guidance": 0.0, "max_sequence_length": 77} | known,
                folder=conventions.FOLDER,
                snapshot_sha256="0" * 64,
                pipeline=found.pipeline,
                prompt="a mug",
                negative_prompt="",
                width=width,
                height=height,
                seed=0,
                device="cpu",
            )
        assert found.defaults.sizes

    @pytest.mark.parametrize("name", ALL)
    def test_states_a_licence_in_the_words_of_licences_on_record(self, name: str) -> None:
        stated = conventions.read(name).licence
        if stated is None:
            assert "licence" in " ".join(conventions.read(name).cautions)
            return
        assert stated.text
        assert set(stated.terms.purposes) <= set(Purpose.values)
        assert (stated.terms.revenue_limit is None) == (stated.terms.revenue_currency == "")

    def test_is_known_for_every_family(self) -> None:
        families = {registry.find(pipeline).family for pipeline in registry.discover()}
        assert {conventions.read(name).family for name in ALL} == families

    def test_of_another_name_is_none(self) -> None:
        with pytest.raises(UnknownConvention, match="There is: flux1_dev, flux1_fill_dev"):
            conventions.read("../conventions/flux1_dev")

    def test_leaves_out_what_is_not_known(self) -> None:
        found = conventions.read("flux2_klein_4b")
        assert (found.defaults.steps, found.memory) == (None, None)
        assert conventions.read("sd35_medium").defaults.guidance is None


class TestHold:
    def test_keeps_the_name_of_what_fits(self) -> None:
        assert hold("flux1_dev", licence("research")) == {"convention": "flux1_dev"}
        assert conventions.hold(
            "", pipeline="Any", licence=licence("commercial"), permits_more=False
        ) == ({})

    @pytest.mark.parametrize("name", ["flux1_dev", "flux2_dev", "flux2_klein_9b"])
    def test_refuses_commercial_use_of_a_non_commercial_model_unless_it_is_said(
        self, name: str
    ) -> None:
        bought = licence("commercial", "research")
        with pytest.raises(LicencePermitsMore, match="commercial use") as refused:
            hold(name, bought)
        assert refused.value.facts["more"] == ["commercial"]
        assert hold(name, bought, permits_more=True) == {
            "convention": name,
            "licence_permits_more": ["commercial"],
        }

    @pytest.mark.parametrize(
        ("recorded", "more"),
        [
            (licence("commercial", limit=1_000_000, currency="USD"), None),
            (licence("commercial", limit=900_000, currency="USD"), None),
            (licence("commercial", limit=1_000_001, currency="USD"), ["revenue"]),
            (licence("commercial", limit=1000, currency="EUR"), ["revenue"]),
            (licence("commercial", "internal"), ["revenue"]),
        ],
    )
    def test_compares_the_limit_of_revenue(
        self, recorded: LicenceRecord, more: list[str] | None
    ) -> None:
        if more is None:
            assert hold("sd35_large", recorded) == {"convention": "sd35_large"}
            return
        with pytest.raises(LicencePermitsMore, match="a revenue above the limit"):
            hold("sd35_large", recorded)
        said = hold("sd35_large", recorded, permits_more=True)
        assert said["licence_permits_more"] == more

    def test_refuses_to_say_what_is_not_so(self) -> None:
        with pytest.raises(InvalidInput, match="Nothing is known") as refused:
            hold("qwen_image_2512", licence("commercial"), permits_more=True)
        assert refused.value.pointer == "/licence_permits_more"

    def test_refuses_a_model_of_another_pipeline(self) -> None:
        with pytest.raises(ConventionMismatch, match="is for a FluxPipeline"):
            hold("flux1_dev", licence("research"), pipeline="Flux2Pipeline")
