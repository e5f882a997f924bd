"""Findings and recalls over the API: who reads them, who ends them, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from imprimatur.publishing import services as publishing
from imprimatur.publishing.models import Publication
from imprimatur.publishing.selectors import TRIES

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from tests.factories import people, review
from tests.factories.people import NOW
from tests.integration.api.client import Client

ROLES = {"clara": Role.COMPLIANCE_REVIEWER, "mona": Role.BRAND_MANAGER, "otto": Role.AUDITOR}


@pytest.fixture
def place(settings: Any, tmp_path: Path, brand_id: UUID, ada: Actor) -> UUID:
    """A folder with something in it that nobody authorised."""
    settings.DESTINATION_ROOTS = [tmp_path.resolve()]
    stray = tmp_path / "out" / str(brand_id) / "stray.png"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"not ours")
    grace = people.acting("grace")
    proposed = publishing.propose_destination(
        actor=ada,
        brand_id=brand_id,
        slug="folder",
        name="Folder",
        kind="folder",
        config={"path": str(tmp_path / "out")},
        credential_ref="",
        now=NOW,
    )
    return publishing.approve_destination(actor=grace, destination_id=proposed.id, now=NOW).id


@pytest.fixture
def client(ada: Actor, brand_id: UUID) -> Callable[[str], Client]:
    """Sign somebody in who holds one role in the brand."""

    def sign_in(name: str) -> Client:
        people.add(ada, name, brand_id=brand_id, roles=[ROLES[name]])
        return Client.signed_in(name)

    return sign_in


@pytest.fixture
def finding(place: UUID, client: Callable[[str], Client]) -> str:
    publishing.reconcile(destination_id=place, now=NOW)
    (found,) = client("otto").get("findings").json()["items"]
    return str(found["id"])


class TestFindings:
    def test_are_read_by_an_auditor(self, finding: str, brand_id: UUID) -> None:
        otto = Client.signed_in("otto")
        found = otto.get(f"findings/{finding}").json()
        assert (found["kind"], found["key"]) == ("unknown_object", f"{brand_id}/stray.png")
        assert (found["quarantined_to"], found["closed_at"]) == ("", None)
        assert len(otto.get("findings?is_open=true").json()["items"]) == 1
        assert otto.get("findings?is_open=false").json()["items"] == []

    def test_are_nothing_to_a_marketer_or_another_brand(
        self, finding: str, marta: Client, stranger: Client
    ) -> None:
        for caller in (marta, stranger):
            assert caller.get("findings").json()["items"] == []
            assert caller.get(f"findings/{finding}").status_code == 404
            answer = caller.post(f"findings/{finding}/closure", {"reason": "No."})
            assert answer.status_code == 404

    def test_are_closed_with_a_reason_once(
        self, finding: str, client: Callable[[str], Client]
    ) -> None:
        mona = client("mona")
        answer = mona.post(f"findings/{finding}/closure", {"reason": "Put there by hand."})
        assert answer.status_code == 201
        assert answer.headers["Location"] == f"/api/v1/findings/{finding}"
        assert answer.json()["closing_reason"] == "Put there by hand."
        again = mona.post(f"findings/{finding}/closure", {"reason": "Again."})
        assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 4001}])
    def test_are_not_closed_without_a_reason(
        self, finding: str, admin: Client, body: dict[str, str]
    ) -> None:
        answer = admin.post(f"findings/{finding}/closure", body)
        assert answer.status_code in {400, 422}
        assert admin.get(f"findings/{finding}").json()["closed_at"] is None

    def test_are_not_closed_by_who_may_only_read_them(self, finding: str) -> None:
        answer = Client.signed_in("otto").post(f"findings/{finding}/closure", {"reason": "Known."})
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")


class TestRecall:
    @pytest.fixture
    def stuck(self, place: UUID, brand_id: UUID, tmp_path: Path) -> str:
        """A recall that the publisher gave up."""
        team = review.Team(brand_id=brand_id)
        review.approved_policy(team)
        release = review.released(team, review.open_case(team), tmp_path / "relay")
        ordered = publishing.request_publication(
            actor=team.requester, release_id=release.id, destination_id=place, now=NOW
        )
        Publication.objects.filter(pk=ordered.id).update(state="delivering")
        publishing.withdraw(
            actor=team.manager, release_id=release.id, reason="Wrong product.", now=NOW
        )
        Publication.objects.filter(pk=ordered.id).update(
            tries=TRIES + 1, failure="The folder is not there."
        )
        return str(ordered.id)

    def test_that_was_given_up_is_tried_anew(
        self, stuck: str, client: Callable[[str], Client]
    ) -> None:
        clara = client("clara")
        assert clara.get(f"publications/{stuck}").json()["waits_for_person"] is True
        answer = clara.post(f"publications/{stuck}/recall")
        assert answer.status_code == 202
        assert answer.headers["Location"] == f"/api/v1/publications/{stuck}"
        assert (answer.json()["state"], answer.json()["failure"]) == ("recalling", "")
        assert publishing.unpublish(publication_id=UUID(stuck), now=NOW)
        gone = clara.get(f"publications/{stuck}").json()
        assert (gone["state"], gone["waits_for_person"]) == ("recalled", False)
        assert gone["recalled_at"] is not None
        again = clara.post(f"publications/{stuck}/recall")
        assert (again.status_code, again.json()["code"]) == (409, "illegal_transition")

    def test_is_not_the_marketers_nor_the_admins(
        self, stuck: str, marta: Client, admin: Client
    ) -> None:
        assert marta.post(f"publications/{stuck}/recall").status_code == 403
        assert admin.post(f"publications/{stuck}/recall").status_code == 404

    def test_of_nothing_is_not_found(self, marta: Client, stranger: Client, stuck: str) -> None:
        assert marta.post(f"publications/{uuid7()}/recall").status_code == 404
        assert stranger.post(f"publications/{stuck}/recall").status_code == 404
