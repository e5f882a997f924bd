"""The exact bytes under review over the API: what a reviewer without a portal decides on."""

import json
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from generation.jobs import services as job_services
from governance.kernel.clock import now
from governance.kernel.digests import sha256_hex
from governance.kernel.roles import Role
from governance.review import selectors
from governance.review.models import Delivery
from tests.factories import jobs, people, review, templates
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    jobs.use_blobs(settings, tmp_path / "blobs")
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def mona(world: World) -> Client:
    """One of two managers; `max` is the other one."""
    for name in ("max", "mona"):
        people.add(people.acting("ada"), name, brand_id=world.brand.id, roles=[Role.BRAND_MANAGER])
    return Client.signed_in("mona")


def _template_case(world: World) -> dict[str, str]:
    """Submit the next version of a template and return its case."""
    studio = templates.Studio(world.brand, world.team, None)  # type: ignore[arg-type]
    case = studio.case_of(studio.submit(studio.draft(notes="Ünïcode")))
    return {"id": str(case.id), "sha256": str(case.subject.sha256)}


def _policy_case(mona: Client, world: World) -> dict[str, str]:
    stages = [{"name": "Brand", "role": "brand_reviewer", "due_min": 60}]
    wanted = {"brand_id": str(world.brand.id), "subject_kind": "asset", "name": "New"}
    made = mona.post("review-policies", {**wanted, "stages": stages}).json()
    return {"id": made["case_id"], "sha256": made["sha256"]}


def _rules_case(mona: Client, world: World) -> dict[str, str]:
    rules = [{"category": "hazard_sign", "terms": ["hazard*"], "reason": "Never that."}]
    made = mona.post("rules", {"brand_id": str(world.brand.id), "rules": rules}).json()
    return {"id": made["case_id"], "sha256": made["sha256"]}


def _scoring_case(mona: Client, world: World) -> dict[str, str]:
    thresholds = {"sharpness": {"threshold": 0.25, "severity": "flag"}}
    wanted = {"brand_id": str(world.brand.id), "advisory": False, "thresholds": thresholds}
    made = mona.post("scoring-policies", wanted).json()
    return {"id": made["case_id"], "sha256": made["sha256"]}


def _image_case(world: World) -> dict[str, str]:
    body = {
        "template_id": str(world.version.template_id),
        "variables": {"object": "mug", "color": "red"},
    }
    item_id = Client.signed_in("marta").post("jobs", body).json()["items"][0]["id"]
    claim = job_services.claim(item_id=UUID(item_id), worker="test")
    assert claim is not None
    case = selectors.find_case_for_subject(jobs.finish(claim))
    assert case is not None
    return {"id": str(case.id), "sha256": str(case.subject.sha256)}


def _decide(client: Client, case: dict[str, str]) -> Any:
    return client.post(
        f"cases/{case['id']}/decisions", {"verdict": "approve", "sha256": case["sha256"]}
    )


class TestContent:
    @pytest.mark.parametrize("kind", ["review_policy", "rule_set", "scoring_policy"])
    def test_of_what_governs_is_what_its_digest_covers(
        self, world: World, mona: Client, kind: str
    ) -> None:
        made = {
            "review_policy": _policy_case,
            "rule_set": _rules_case,
            "scoring_policy": _scoring_case,
        }[kind](mona, world)
        other = Client.signed_in("max")
        assert _decide(other, made).json()["code"] == "not_seen"
        answer = other.get(f"cases/{made['id']}/content")
        assert answer.status_code == 200, answer.content
        assert sha256_hex(answer.content) == made["sha256"]
        assert answer.headers["ETag"] == f'"{made["sha256"]}"'
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Content-Disposition"].endswith('.json"')
        assert json.loads(answer.content)
        decided = _decide(other, made)
        assert decided.json()["case_state"] == "approved", decided.content

    def test_of_a_template_lets_an_api_reviewer_decide(self, world: World) -> None:
        made = _template_case(world)
        bruno = Client.signed_in("bruno")
        assert _decide(bruno, made).json()["code"] == "not_seen"
        answer = bruno.get(f"cases/{made['id']}/content")
        assert sha256_hex(answer.content) == made["sha256"]
        assert json.loads(answer.content)["notes"] == "Ünïcode"
        assert _decide(bruno, made).status_code == 201

    def test_of_an_image_is_its_bytes(self, world: World) -> None:
        made = _image_case(world)
        bruno = Client.signed_in("bruno")
        answer = bruno.get(f"cases/{made['id']}/content")
        assert answer.headers["Content-Type"] == "image/png"
        assert sha256_hex(answer.content) == made["sha256"]
        assert _decide(bruno, made).status_code == 201

    def test_shown_again_is_another_delivery(self, world: World) -> None:
        made = _template_case(world)
        bruno = Client.signed_in("bruno")
        path = f"cases/{made['id']}/content"
        etag = bruno.get(path).headers["ETag"]
        again = bruno.get(path, **{"If-None-Match": etag})
        assert (again.status_code, again.content) == (304, b"")
        sent = Delivery.objects.filter(person_id=people.acting("bruno").id)
        assert [row.sha256 for row in sent] == [made["sha256"]] * 2
        assert all(row.created_at <= now() for row in sent)

    def test_is_not_delivered_to_who_made_it(self, world: World, mona: Client) -> None:
        made = _rules_case(mona, world)
        assert mona.get(f"cases/{made['id']}/content").status_code == 200
        assert not Delivery.objects.filter(sha256=made["sha256"]).exists()

    def test_of_another_brand_or_of_nothing_is_not_found(self, world: World) -> None:
        elsewhere = review.Team()
        review.approved_policy(elsewhere, kind="template_version")
        hidden = review.open_case(elsewhere, kind="template_version")
        bruno = Client.signed_in("bruno")
        for case_id in (hidden.id, uuid4()):
            assert bruno.get(f"cases/{case_id}/content").status_code == 404
        assert not Delivery.objects.filter(subject_id=hidden.subject.id).exists()
