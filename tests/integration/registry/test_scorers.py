"""Registered scorers: pinned, licensed, and used only once a second admin approved them."""

import math
from typing import Any

import pytest

from generation.registry import selectors, services
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.licences import services as licence_services
from governance.licences.records import Terms
from governance.policy.permits import NotPermitted
from tests.factories import jobs, licences, review
from tests.factories import scorers as make
from tests.factories.quota import NOW, platform_admin

pytestmark = pytest.mark.django_db


class TestProposeScorer:
    def test_counts_for_nothing_before_somebody_else_approved_it(self) -> None:
        proposer = platform_admin()
        made = services.propose_scorer(actor=proposer, **make.facts())
        assert (made.state, made.number, selectors.usable_scorers()) == ("proposed", 1, [])
        with pytest.raises(NotPermitted):
            services.approve_scorer(actor=proposer, scorer_id=made.id, now=NOW)
        approved = services.approve_scorer(actor=platform_admin(), scorer_id=made.id, now=NOW)
        assert approved.state == "approved"
        assert selectors.usable_scorers() == [approved]
        seen = Entry.objects.filter(subject_id=made.id).order_by("id")
        assert list(seen.values_list("event", flat=True)) == [
            "registry.scorer.proposed",
            "registry.scorer.approved",
        ]

    @pytest.mark.parametrize(
        ("changes", "pointer"),
        [
            ({"scorer": "NSFW"}, "/scorer"),
            ({"scorer": "n"}, "/scorer"),
            ({"scorer": "n" * 61}, "/scorer"),
            ({"scorer": "nsfw\n"}, "/scorer"),
            ({"kind": "../safety"}, "/kind"),
            ({"title": ""}, "/title"),
            ({"title": "x" * 81}, "/title"),
            ({"version": ""}, "/version"),
            ({"version": "1" * 41}, "/version"),
            ({"folder": "../keys"}, "/folder"),
            ({"folder": "/etc"}, "/folder"),
            ({"folder": "x" * 201}, "/folder"),
            ({"snapshot_sha256": "abc"}, "/snapshot_sha256"),
            ({"settings": {"note": "x" * 20_000}}, "/settings"),
            ({"settings": {"set": {1, 2}}}, "/settings"),
            ({"settings": {"least": math.nan}}, "/settings"),
            ({"higher_is": "nicer"}, "/higher_is"),
            ({"low": math.nan}, "/low"),
            ({"high": math.inf}, "/high"),
            ({"low": 1.0, "high": 1.0}, "/high"),
            ({"cost_ms": -1.0}, "/cost_ms"),
            ({"cost_ms": math.inf}, "/cost_ms"),
        ],
    )
    def test_refuses_a_pin_that_is_none_and_writes_nothing(
        self, changes: dict[str, Any], pointer: str
    ) -> None:
        asked = make.facts() | changes
        before = jobs.count_rows()
        with pytest.raises(InvalidInput) as error:
            services.propose_scorer(actor=platform_admin(), **asked)
        assert error.value.pointer == pointer
        assert jobs.count_rows() == before

    def test_is_for_platform_admins_only(self) -> None:
        with pytest.raises(NotPermitted):
            services.propose_scorer(actor=review.Team().manager, **make.facts())

    def test_names_a_licence_on_record(self) -> None:
        with pytest.raises(NotFound) as error:
            make.proposed(licence_id=uuid7())
        assert error.value.pointer == "/licence_id"

    def test_refuses_the_id_of_a_scorer_that_a_model_profile_brings(self) -> None:
        entry = {"kind": "nsfw", "folder": "x", "snapshot_sha256": "b" * 64, "licence": "CC0-1.0"}
        profile = jobs.profile(scorers={"folder": "demo", "entries": [entry]})
        with pytest.raises(services.ScorerIdTaken):
            make.proposed()
        services.retire_profile(actor=platform_admin(), profile_id=profile.id, now=NOW)
        assert make.proposed().state == "proposed"

    def test_numbers_the_versions_of_a_scorer(self) -> None:
        licence_id = licences.agreed("LicenseRef-scorer").id
        made = [
            make.approved(scorer=scorer, licence_id=licence_id)
            for scorer in ("nsfw", "nsfw", "gore")
        ]
        assert [each.number for each in made] == [1, 2, 1]
        assert selectors.usable_scorers() == [made[2], made[1]]
        assert [str(each.scorer) for each in selectors.list_scorers()] == ["gore", "nsfw", "nsfw"]


class TestApproveScorer:
    def test_needs_a_licence_that_somebody_agreed_to(self) -> None:
        licence = licences.proposed(identifier="LicenseRef-waiting")
        made = make.proposed(licence_id=licence.id)
        with pytest.raises(services.LicenceObjects, match="waits for a second person"):
            services.approve_scorer(actor=platform_admin(), scorer_id=made.id, now=NOW)
        licence_services.agree_licence(actor=platform_admin(), licence_id=licence.id, now=NOW)
        services.approve_scorer(actor=platform_admin(), scorer_id=made.id, now=NOW)

    def test_needs_a_licence_for_what_images_are_made_for(self, settings: Any) -> None:
        """Weights for research only stay out of an installation that makes advertisements."""
        licence = licences.agreed("LicenseRef-research", terms=Terms(purposes=("research",)))
        made = make.proposed(licence_id=licence.id)
        settings.PURPOSE = "commercial"
        with pytest.raises(services.LicenceObjects, match="does not permit commercial use"):
            services.approve_scorer(actor=platform_admin(), scorer_id=made.id, now=NOW)
        settings.PURPOSE = "research"
        services.approve_scorer(actor=platform_admin(), scorer_id=made.id, now=NOW)
        assert len(selectors.usable_scorers()) == 1
        settings.PURPOSE = "commercial"
        assert selectors.usable_scorers() == []

    def test_happens_once_and_never_after_retirement(self) -> None:
        made = make.approved()
        with pytest.raises(IllegalTransition):
            services.approve_scorer(actor=platform_admin(), scorer_id=made.id, now=NOW)
        other = make.proposed(licence_id=made.licence_id)
        services.retire_scorer(actor=platform_admin(), scorer_id=other.id, now=NOW)
        with pytest.raises(IllegalTransition):
            services.approve_scorer(actor=platform_admin(), scorer_id=other.id, now=NOW)

    def test_needs_a_scorer(self) -> None:
        with pytest.raises(NotFound):
            services.approve_scorer(actor=platform_admin(), scorer_id=uuid7(), now=NOW)


class TestRetireScorer:
    def test_brings_the_version_before_it_back_into_use(self) -> None:
        first = make.approved()
        second = make.approved(licence_id=first.licence_id)
        services.retire_scorer(actor=platform_admin(), scorer_id=second.id, now=NOW)
        assert selectors.usable_scorers() == [first]
        assert selectors.get_scorer(second.id).state == "retired"
        with pytest.raises(IllegalTransition):
            services.retire_scorer(actor=platform_admin(), scorer_id=second.id, now=NOW)

    def test_is_for_platform_admins_only(self) -> None:
        made = make.approved()
        with pytest.raises(NotPermitted):
            services.retire_scorer(actor=review.Team().manager, scorer_id=made.id, now=NOW)


class TestUsableScorers:
    def test_leave_out_one_whose_licence_was_retired(self) -> None:
        made = make.approved()
        licence_services.retire_licence(actor=platform_admin(), licence_id=made.licence_id, now=NOW)
        assert selectors.usable_scorers() == []
        assert selectors.get_scorer(made.id).state == "approved"
