"""Ordering, watching, deciding and publishing over the API; wrong input leaves nothing."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from imprimatur.accounts import services as accounts
from imprimatur.publishing.models import Publication

from generation.jobs import services as job_services
from generation.jobs.models import GenerationJob
from governance.kernel.clock import now
from governance.quota.models import Entry
from governance.refusals.models import Refusal
from tests.factories import jobs, people, review
from tests.integration.api import world as worlds
from tests.integration.api.client import Client
from tests.integration.api.world import World


@pytest.fixture
def world(db: None, settings: Any, tmp_path: Path) -> World:
    settings.DESTINATION_ROOTS = [(tmp_path / "published").resolve()]
    return worlds.make(tmp_path / "relay", (tmp_path / "published").resolve())


@pytest.fixture
def marta(world: World) -> Client:
    return Client.signed_in("marta")


def order(world: World, **changes: Any) -> dict[str, Any]:
    variables = {"object": "mug", "color": "red", **changes.pop("variables", {})}
    return {"template_id": str(world.version.template_id), "variables": variables, **changes}


def _make(job: dict[str, Any]) -> str:
    """Make the one image of an order, as a worker does, and return its id."""
    claim = job_services.claim(item_id=UUID(job["items"][0]["id"]), worker="test")
    assert claim is not None
    return str(jobs.finish(claim))


class TestPictures:
    def test_are_named_and_each_refusal_says_which(self, world: World, marta: Client) -> None:
        box = {"left": 0, "top": 0, "right": 0.5, "bottom": 1}
        for body, pointer in (
            # The world's model says not what it can do, so it starts from no picture.
            ({"source_picture_id": str(uuid4())}, "/profile"),
            ({"mask_box": box}, "/source_picture_id"),
            ({"mask_box": box | {"right": 2}}, "/mask_box/right"),
            ({"references": [{"picture_id": "cup"}]}, "/references/0/picture_id"),
        ):
            answer = marta.post("jobs", order(world, **body))
            assert answer.status_code == 400
            assert answer.json()["errors"][0]["pointer"] == pointer
        assert not GenerationJob.objects.exists()


class TestTemplates:
    def test_come_with_their_json_schema(self, world: World, marta: Client) -> None:
        listed = marta.get("templates").json()["items"]
        assert [t["slug"] for t in listed] == ["hero-shot"]
        assert listed[0]["content"]["schema"]["required"] == ["object", "color"]
        assert listed[0]["content"]["starter"] == {"object": "mug", "color": "red"}
        one = marta.get(f"templates/{listed[0]['id']}").json()
        assert one == listed[0]
        assert one["sha256"] == world.version.sha256

    def test_preview_without_a_trace(self, world: World, marta: Client) -> None:
        body = {"variables": {"object": "mug", "color": "red"}, "variants": 2}
        answer = marta.post(f"templates/{world.version.template_id}/preview", body)
        assert answer.json()["prompt"].startswith("a red mug")
        assert answer.json()["images"] == 2
        assert (answer.json()["queued_before"], answer.json()["image_s"]) == (0, None)
        assert not GenerationJob.objects.exists()

    def test_preview_names_the_words_that_a_rule_refuses(
        self, world: World, marta: Client, settings: Any
    ) -> None:
        path = f"templates/{world.version.template_id}/preview"
        body = {"variables": {"object": "mug", "color": "red", "detail": "a h4zard sign"}}
        shown = marta.post(path, body).json()
        first = shown["findings"][0]
        assert {name: first[name] for name in ("pointer", "found", "start", "end")} == {
            "pointer": "/variables/detail",
            "found": "h4zard",
            "start": 2,
            "end": 8,
        }
        assert first["overridable_by"] == "compliance_reviewer"
        refused = marta.post("jobs", {"template_id": str(world.version.template_id), **body}).json()
        assert refused["facts"]["found"] == "h4zard"
        assert refused["facts"]["next_step"] == first["next_step"]
        settings.PREVIEWS_A_MINUTE = 1
        limited = marta.post(path, body)
        assert (limited.status_code, limited.json()["code"]) == (429, "too_many_previews")
        assert int(limited.headers["Retry-After"]) > 0


class TestOrder:
    def test_is_accepted_with_where_to_watch_it(self, world: World, marta: Client) -> None:
        answer = marta.post("jobs", order(world, variants=2, seed=7))
        assert answer.status_code == 202
        job = answer.json()
        assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
        assert int(answer.headers["Retry-After"]) > 0
        assert [item["seed"] for item in job["items"]] == [7, 8]
        assert job["state"] == "queued"
        seen = marta.get(answer.headers["Location"])
        assert seen.json() == job
        assert seen.headers["Retry-After"]
        assert [j["id"] for j in marta.get("jobs").json()["items"]] == [job["id"]]

    def test_may_come_after_an_image_of_the_brand(
        self, world: World, marta: Client, settings: Any, tmp_path: Path
    ) -> None:
        jobs.use_blobs(settings, tmp_path / "blobs")
        first = marta.post("jobs", order(world)).json()
        assert first["parent_asset_id"] is None
        parent = _make(first)
        again = marta.post("jobs", order(world, parent_asset_id=parent)).json()
        assert again["parent_asset_id"] == parent
        child = _make(again)
        seen = marta.get(f"jobs/{first['id']}").json()["items"][0]
        shown = marta.get(f"cases/{seen['case_id']}/versions").json()["items"]
        assert [(v["subject"]["id"], v["parent_id"]) for v in shown] == [
            (parent, None),
            (child, parent),
        ]
        unknown = marta.post("jobs", order(world, parent_asset_id=str(uuid4())))
        assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
        assert marta.post("jobs", order(world, parent_asset_id="x")).status_code == 400

    def test_sent_twice_is_one_order(self, world: World, marta: Client) -> None:
        key = str(uuid4())
        first = marta.post("jobs", order(world), idempotency_key=key)
        again = marta.post("jobs", order(world), idempotency_key=key)
        assert again.json() == first.json()
        assert again.status_code == 202
        assert GenerationJob.objects.count() == 1

    def test_can_be_cancelled_image_by_image(self, world: World, marta: Client) -> None:
        job = marta.post("jobs", order(world)).json()
        item_id = job["items"][0]["id"]
        assert marta.post(f"items/{item_id}/cancel").json() == {"id": item_id, "state": "cancelled"}
        answer = marta.post(f"items/{item_id}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (409, "illegal_transition")
        assert marta.get(f"jobs/{job['id']}").json()["state"] == "done"

    @pytest.mark.parametrize(
        ("change", "pointer"),
        [
            ({"variables": {"object": "tank"}}, "/variables/object"),
            ({"variables": {"color": 7}}, "/variables/color"),
            ({"variables": {"detail": "x" * 41}}, "/variables/detail"),
            ({"variables": {"detail": "a\u0007b"}}, "/variables/detail"),
            ({"variables": {"brand": "x"}}, "/variables/brand"),
            ({"width": 250, "height": 256}, "/width"),
            ({"width": 256}, "/height"),
            ({"variants": 0}, "/variants"),
            ({"variants": 9}, "/variants"),
            ({"variants": "3"}, "/variants"),
            ({"variants": True}, "/variants"),
            ({"seed": -1}, "/seed"),
            ({"profile": "somebody-elses"}, "/profile"),
            ({"template_id": "7"}, "/template_id"),
            ({"prompt": "anything"}, "/prompt"),
        ],
    )
    def test_that_is_malformed_is_named_and_leaves_nothing(
        self, world: World, marta: Client, change: dict[str, Any], pointer: str
    ) -> None:
        answer = marta.post("jobs", order(world, **change))
        assert answer.status_code == 400
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
        assert not GenerationJob.objects.exists()
        assert not Refusal.objects.exists()

    def test_from_an_unknown_template_is_not_found(self, world: World, marta: Client) -> None:
        assert marta.post("jobs", order(world, template_id=str(uuid4()))).status_code == 404

    def test_that_a_rule_refuses_leaves_exactly_one_refusal(
        self, world: World, marta: Client
    ) -> None:
        spent = Entry.objects.count()
        body, key = order(world, variables={"detail": "a hazard sign"}), str(uuid4())
        answer = marta.post("jobs", body, idempotency_key=key)
        assert (answer.status_code, answer.json()["code"]) == (422, "order_refused")
        assert answer.json()["errors"][0]["pointer"] == "/variables/detail"
        refusal = marta.get(f"refusals/{answer.json()['facts']['refusal_id']}").json()
        assert (refusal["stage"], refusal["category"]) == ("prompt", "hazard_sign")
        again = marta.post("jobs", body, idempotency_key=key)
        assert again.json() == answer.json()
        assert Refusal.objects.count() == 1
        assert Entry.objects.count() == spent
        assert not GenerationJob.objects.exists()

    def test_beyond_the_quota_says_whose(self, world: World, marta: Client) -> None:
        answer = marta.post("jobs", order(world, variants=6))
        assert (answer.status_code, answer.json()["code"]) == (422, "quota_exceeded")
        assert answer.json()["facts"]["granted"] == 5
        assert not GenerationJob.objects.exists()
        assert Refusal.objects.count() == 1

    def test_is_for_marketers(self, world: World) -> None:
        answer = Client.signed_in("bruno").post("jobs", order(world))
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")

    def test_by_a_key_counts_as_its_makers(self, world: World, marta: Client) -> None:
        scopes = ("generation:job:create", "generation:job:read", "prompts:template:read")
        _, text = people.key(people.acting("marta"), *scopes)
        job = Client(key=text).post("jobs", order(world)).json()
        assert job["requester_id"] == marta.get("me").json()["id"]

    def test_by_a_key_needs_that_scope_only(self, world: World, marta: Client) -> None:
        _, text = people.key(people.acting("marta"), "generation:job:create")
        key, sent = Client(key=text), str(uuid4())
        answer = key.post("jobs", order(world), idempotency_key=sent)
        assert answer.status_code == 202
        assert key.post("jobs", order(world), idempotency_key=sent).json() == answer.json()
        assert key.get(answer.headers["Location"]).status_code == 404
        assert key.get(f"templates/{world.version.template_id}").status_code == 404
        assert marta.get(answer.headers["Location"]).json() == answer.json()

    def test_by_a_key_without_that_scope_is_refused(self, world: World) -> None:
        _, text = people.key(people.acting("marta"), "generation:job:read", "prompts:template:read")
        answer = Client(key=text).post("jobs", order(world))
        assert (answer.status_code, answer.json()["code"]) == (403, "not_permitted")
        assert not GenerationJob.objects.exists()

    def test_shows_what_is_left(self, world: World, marta: Client) -> None:
        marta.post("jobs", order(world, variants=2))
        rows = marta.get(f"quotas?brand_id={world.brand.id}").json()["items"]
        mine = next(row for row in rows if row["holder_kind"] == "user")
        assert (mine["granted"], mine["reserved"], mine["available"]) == (5, 2, 3)


class TestDecisions:
    def decide(self, who: Client, world: World, **changes: Any) -> Any:
        for username in ("bruno", "clara"):
            review.deliver(world.case, people.acting(username), now())
        body = {"verdict": "approve", "sha256": world.case.subject.sha256, **changes}
        return who.post(f"cases/{world.case.id}/decisions", body)

    def test_go_stage_by_stage(self, world: World) -> None:
        first = self.decide(Client.signed_in("bruno"), world)
        assert (first.status_code, first.json()["case_state"]) == (201, "open")
        last = self.decide(Client.signed_in("clara"), world).json()
        assert last["case_state"] == "approved"
        assert last["approval_id"]

    def test_wait_in_a_queue(self, world: World) -> None:
        bruno, clara = Client.signed_in("bruno"), Client.signed_in("clara")
        waiting = [c["id"] for c in bruno.get("cases?decidable=true").json()["items"]]
        assert waiting == [str(world.case.id)]
        assert clara.get("cases?decidable=true").json()["items"] == []
        states = {c["state"] for c in bruno.get("cases?state=approved").json()["items"]}
        assert states == {"approved"}

    def test_are_about_the_bytes_that_were_seen(self, world: World) -> None:
        answer = self.decide(Client.signed_in("bruno"), world, sha256="0" * 64)
        assert (answer.status_code, answer.json()["code"]) == (409, "bytes_changed")

    def test_against_need_a_reason(self, world: World) -> None:
        answer = self.decide(Client.signed_in("bruno"), world, verdict="reject")
        assert (answer.status_code, answer.json()["code"]) == (422, "reason_required")

    def test_are_a_persons_with_the_stages_role(self, world: World, marta: Client) -> None:
        assert self.decide(Client.signed_in("clara"), world).status_code == 403
        assert self.decide(marta, world).status_code in {403, 404}
        assert self.decide(Client.signed_in("ada"), world).status_code == 404

    def test_are_never_a_keys(self, world: World) -> None:
        _, text = people.key(people.acting("bruno"), "review:case:read", "generation:job:read")
        key = Client(key=text)
        assert key.get(f"cases/{world.case.id}").status_code == 200
        assert self.decide(key, world).status_code == 403


class TestPublishing:
    def publish(self, who: Client, world: World, key: str = "new") -> Any:
        path = f"releases/{world.release.id}/publications"
        return who.post(path, {"destination_id": str(world.destination.id)}, idempotency_key=key)

    def test_is_ordered_once(self, world: World, marta: Client) -> None:
        answer = self.publish(marta, world)
        assert answer.status_code == 202
        body = answer.json()
        assert (body["state"], body["destination_slug"]) == ("pending", "folder")
        assert marta.get(answer.headers["Location"]).json() == body
        assert self.publish(marta, world).json()["id"] == body["id"]
        assert Publication.objects.count() == 1

    def test_shows_where_to(self, world: World, marta: Client) -> None:
        rows = marta.get("destinations").json()["items"]
        assert [row["id"] for row in rows] == [str(world.destination.id)]
        assert "config" not in rows[0]

    def test_is_not_a_reviewers(self, world: World) -> None:
        assert self.publish(Client.signed_in("bruno"), world).status_code == 403

    def test_gives_the_passports_exact_bytes(self, world: World, marta: Client) -> None:
        answer = marta.get(f"releases/{world.release.id}/passport")
        assert answer.content == b'{"v":1}'
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Disposition"].startswith("attachment;")


class TestLedger:
    def test_is_the_auditors(self, world: World, marta: Client) -> None:
        otto = Client.signed_in("otto")
        page = otto.get("ledger/entries?event=review.case&limit=2").json()
        assert len(page["items"]) == 2
        assert {entry["brand_id"] for entry in page["items"]} == {str(world.brand.id)}
        one = otto.get(f"ledger/entries/{page['items'][0]['id']}").json()
        assert one == page["items"][0]
        assert otto.get(page["next"]).json()["items"][0]["id"] < page["items"][1]["id"]
        assert marta.get("ledger/entries").json()["items"] == []
        assert marta.get(f"ledger/entries/{one['id']}").status_code == 404

    def test_shows_its_checkpoint(self, world: World, marta: Client) -> None:
        checkpoint = marta.get("ledger/checkpoint").json()
        assert checkpoint["size"] > 0
        assert checkpoint["note"].startswith("test.example/log\n")


class TestAnotherBrand:
    """Every address with an id, asked by a person of another brand: there is nothing."""

    @pytest.fixture
    def stranger(self, world: World) -> Client:
        from governance.kernel.roles import Role
        from templates.brands import services as brands

        ada = people.acting("ada")
        other = brands.create_brand(
            actor=ada, slug="southwind", name="Southwind", palette=[], now=people.NOW
        )
        roles = [role for role in Role if role is not Role.PLATFORM_ADMIN]
        people.add(ada, "sam", brand_id=other.id, roles=roles)
        return Client.signed_in("sam")

    def test_is_a_wall(self, world: World, marta: Client, stranger: Client) -> None:
        job = marta.post("jobs", order(world)).json()
        publication = TestPublishing().publish(marta, world).json()
        refused = marta.post("jobs", order(world, variables={"detail": "a hazard sign"})).json()
        refusal = refused["facts"]["refusal_id"]
        entry = Client.signed_in("otto").get("ledger/entries?limit=1").json()["items"][0]["id"]
        member = Client.signed_in("bruno")
        addresses = [
            f"brands/{world.brand.id}",
            f"templates/{world.version.template_id}",
            f"cases/{world.case.id}",
            f"releases/{world.release.id}",
            f"releases/{world.release.id}/passport",
            f"publications/{publication['id']}",
        ]
        for path in addresses:
            assert member.get(path).status_code == 200, path
        for path in [
            *addresses,
            f"jobs/{job['id']}",
            f"refusals/{refusal}",
            f"users/{marta.get('me').json()['id']}",
            f"ledger/entries/{entry}",
        ]:
            assert stranger.get(path).status_code == 404, path

    def test_takes_no_orders_for_it(self, world: World, marta: Client, stranger: Client) -> None:
        job = marta.post("jobs", order(world)).json()
        to = {"destination_id": str(world.destination.id)}
        verdict = {"verdict": "approve", "sha256": world.case.subject.sha256}
        for path, body in (
            ("jobs", order(world)),
            (f"templates/{world.version.template_id}/preview", {"variables": {}}),
            (f"items/{job['items'][0]['id']}/cancel", None),
            (f"cases/{world.case.id}/decisions", verdict),
            (f"releases/{world.release.id}/publications", to),
            (f"assets/{uuid4()}/publications", to),
        ):
            assert stranger.post(path, body).status_code == 404, path

    def test_is_in_no_list(self, world: World, marta: Client, stranger: Client) -> None:
        marta.post("jobs", order(world))
        TestPublishing().publish(marta, world)
        for path in ("jobs", "cases", "releases", "publications", "templates", "destinations"):
            assert stranger.get(path).json()["items"] == [], path
        for path in ("cases", "releases", "publications", "jobs"):
            assert stranger.get(f"{path}?brand_id={world.brand.id}").json()["items"] == [], path
        assert stranger.get(f"quotas?brand_id={world.brand.id}").json()["items"] == []

    def test_ends_with_the_role(self, world: World, marta: Client) -> None:
        from imprimatur.accounts import selectors

        ada, user_id = people.acting("ada"), people.acting("marta").id
        held = selectors.list_memberships(ada, user_id=user_id)[0]
        assert marta.get(f"brands/{world.brand.id}").status_code == 200
        accounts.revoke_role(actor=ada, membership_id=held.id, now=people.NOW)
        assert marta.get(f"brands/{world.brand.id}").status_code == 404
