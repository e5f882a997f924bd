"""Destinations: proposed by one, approved by another, behind the brand's wall, closed for good."""

from pathlib import Path
from typing import Any

import pytest
from imprimatur.publishing import selectors, services

from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.policy.permits import NotPermitted
from tests.factories import review as make
from tests.factories.publishing import NOW, Press

S3 = {"bucket": "assets", "region": "us-east-1", "endpoint_url": "http://127.0.0.1:9"}


def events() -> list[str]:
    rows = Entry.objects.filter(event__startswith="publishing.destination").order_by("id")
    return list(rows.values_list("event", flat=True))


class TestPropose:
    def test_opens_nothing_yet(self, press: Press) -> None:
        proposed = press.proposed()
        assert not proposed.is_approved
        assert selectors.list_destinations(press.marketer) == []
        assert events() == ["publishing.destination.proposed"]

    @pytest.mark.parametrize(
        ("changes", "pointer", "rule"),
        [
            ({"kind": "pigeon"}, "/kind", "enum"),
            ({"kind": "registry"}, "/kind", "enum"),
            ({"config": {}}, "/config", "required"),
            ({"config": {"path": "published"}}, "/config/path", "pattern"),
            ({"config": {"path": "/etc"}}, "/config/path", "destination_roots"),
            ({"kind": "s3", "config": {**S3, "secret": "x"}}, "/config", "additionalProperties"),
            ({"kind": "s3", "config": S3}, "/credential_ref", "required"),
            ({"credential_ref": "../relay/checkpoint"}, "/credential_ref", "pattern"),
            ({"slug": "Not a slug"}, "/slug", "pattern"),
            ({"slug": "s" * 61}, "/slug", "pattern"),
            ({"name": " "}, "/name", "length"),
            ({"name": "n" * 121}, "/name", "length"),
        ],
    )
    def test_names_the_setting_and_the_rule_that_it_breaks(
        self, press: Press, changes: dict[str, Any], pointer: str, rule: str
    ) -> None:
        config = {"path": str(press.place)}
        facts: dict[str, Any] = {"slug": "folder", "name": "Folder", "kind": "folder"}
        with pytest.raises(InvalidInput) as refused:
            services.propose_destination(
                actor=press.admin,
                brand_id=press.brand_id,
                now=NOW,
                **{**facts, "config": config, "credential_ref": "", **changes},
            )
        assert (refused.value.pointer, refused.value.facts["rule"]) == (pointer, rule)
        assert events() == []

    def test_refuses_a_link_that_leads_out_of_the_roots(self, press: Press, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (press.place / "link").symlink_to(tmp_path / "elsewhere")
        with pytest.raises(InvalidInput) as refused:
            press.proposed(config={"path": str(press.place / "link")})
        assert refused.value.facts["rule"] == "destination_roots"

    def test_refuses_a_folder_whose_address_no_receipt_can_hold(self, press: Press) -> None:
        with pytest.raises(InvalidInput) as refused:
            press.proposed(config={"path": f"{press.place}/{'long/' * 80}"})
        assert (refused.value.pointer, refused.value.facts["rule"]) == ("/config/path", "length")

    def test_refuses_a_name_that_the_brand_has_used(self, press: Press, other_press: Press) -> None:
        press.proposed()
        with pytest.raises(InvalidInput) as refused:
            press.proposed()
        assert (refused.value.pointer, refused.value.facts["rule"]) == ("/slug", "unique")
        assert other_press.proposed().slug == "folder"

    def test_does_not_know_a_brand_that_is_not_there(self, press: Press) -> None:
        with pytest.raises(NotFound) as refused:
            press.proposed(brand_id=uuid7())
        assert refused.value.pointer == "/brand_id"

    def test_is_the_platform_admins_alone(self, press: Press) -> None:
        for actor in (press.marketer, press.team.manager, press.team.auditor):
            with pytest.raises(NotPermitted):
                press.proposed(actor=actor)


class TestApprove:
    def test_opens_it_to_its_brand(self, press: Press, other_press: Press) -> None:
        opened = press.destination()
        assert selectors.list_destinations(press.marketer) == [opened]
        assert selectors.list_destinations(press.admin) == [opened]
        assert selectors.list_destinations(other_press.marketer) == []
        assert selectors.list_destinations(press.admin, other_press.brand_id) == []
        assert events() == ["publishing.destination.proposed", "publishing.destination.approved"]

    def test_is_not_its_proposers(self, press: Press) -> None:
        proposed = press.proposed()
        with pytest.raises(NotPermitted):
            services.approve_destination(actor=press.admin, destination_id=proposed.id, now=NOW)
        assert not selectors.get_destination(press.admin, proposed.id).is_approved

    def test_happens_once(self, press: Press) -> None:
        opened = press.destination()
        with pytest.raises(IllegalTransition):
            services.approve_destination(actor=press.other_admin, destination_id=opened.id, now=NOW)

    def test_does_not_open_what_was_retired(self, press: Press) -> None:
        proposed = press.proposed()
        services.retire_destination(actor=press.admin, destination_id=proposed.id, now=NOW)
        with pytest.raises(IllegalTransition):
            services.approve_destination(
                actor=press.other_admin, destination_id=proposed.id, now=NOW
            )

    def test_is_seen_and_refused_in_ones_own_brand_and_hidden_in_anothers(
        self, press: Press, other_press: Press
    ) -> None:
        proposed = press.proposed()
        for command in (services.approve_destination, services.retire_destination):
            with pytest.raises(NotPermitted):
                command(actor=press.team.manager, destination_id=proposed.id, now=NOW)
            with pytest.raises(NotFound):
                command(actor=other_press.team.manager, destination_id=proposed.id, now=NOW)


class TestRetire:
    def test_closes_it_once(self, press: Press) -> None:
        opened = press.destination()
        retired = services.retire_destination(actor=press.admin, destination_id=opened.id, now=NOW)
        assert retired.is_retired
        assert selectors.list_destinations(press.marketer) == []
        with pytest.raises(IllegalTransition):
            services.retire_destination(actor=press.admin, destination_id=opened.id, now=NOW)
        assert events()[-1] == "publishing.destination.retired"


class TestGetDestination:
    def test_never_tells_the_credentials_name(self, press: Press) -> None:
        opened = press.destination(kind="s3", config=S3, credential_ref="demo-s3")
        assert "demo-s3" not in repr(selectors.get_destination(press.marketer, opened.id))

    def test_hides_another_brands(self, press: Press, other_press: Press) -> None:
        opened = press.destination()
        outsider = make.person(other_press.brand_id)
        for actor in (other_press.marketer, outsider):
            with pytest.raises(NotFound):
                selectors.get_destination(actor, opened.id)
