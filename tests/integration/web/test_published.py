"""Releases, passports and the order to publish."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from imprimatur.accounts import selectors as accounts
from imprimatur.publishing.models import Publication

from governance.kernel.clock import now
from governance.release import selectors as releases
from tests.integration.web.world import World


def form_of(release_id: UUID, destination: object) -> dict[str, str]:
    """Return what the publish form of a release would send."""
    return {f"r{release_id.hex}-destination": str(destination)}


class TestPublished:
    def test_helps_when_it_is_empty(self, world: World) -> None:
        page = world.client("marta").get("/published/").content.decode()
        assert "Nothing is released yet" in page

    def test_orders_one_delivery_however_often_it_is_asked(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        client = world.client("marta")
        page = client.get("/published/")
        destination = page.context["releases"][0]["form"].fields["destination"].choices[0][0]
        for _ in range(2):
            answer = client.post(
                f"/releases/{release.id}/publish/", form_of(release.id, destination)
            )
            assert answer.headers["Location"] == f"/published/#release-{release.id}"
        assert Publication.objects.count() == 1
        assert "Waiting" in client.get("/published/").content.decode()

    def test_takes_no_destination_of_others(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        answer = world.client("marta").post(
            f"/releases/{release.id}/publish/", form_of(release.id, uuid4()), follow=True
        )
        assert "Choose one of the brand" in answer.content.decode()
        assert not Publication.objects.exists()

    def test_offers_no_form_to_a_reviewer_and_refuses_theirs(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        client = world.client("bruno")
        places = world.client("marta").get("/published/").context["releases"][0]["form"]
        destination = places.fields["destination"].choices[0][0]
        assert "publish-form" not in client.get("/published/").content.decode()
        answer = client.post(f"/releases/{release.id}/publish/", form_of(release.id, destination))
        assert answer.status_code == 403
        assert not Publication.objects.exists()


class TestPassport:
    def test_is_handed_out_byte_by_byte(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        answer = world.client("otto").get(f"/releases/{release.id}/passport")
        assert answer.content == b'{"v":1}'
        assert "attachment" in answer.headers["Content-Disposition"]
        assert world.client("ada").get(f"/releases/{release.id}/passport").status_code == 404


class TestDestinations:
    def test_are_offered_until_each_has_it(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        client = world.client("marta")
        row = client.get("/published/").context["releases"][0]
        destinations = [choice[0] for choice in row["form"].fields["destination"].choices]
        for destination in destinations:
            client.post(f"/releases/{release.id}/publish/", form_of(release.id, destination))
        page = client.get("/published/")
        assert "form" not in page.context["releases"][0]
        assert "Every destination of the brand has it" in page.content.decode()
        Publication.objects.filter(destination_id=destinations[0]).update(state="failed")
        again = client.get("/published/").context["releases"][0]["form"]
        assert [c[0] for c in again.fields["destination"].choices] == destinations[:1]

    def test_cost_the_same_queries_for_more_releases(self, world: World) -> None:
        client, counts = world.client("marta"), []
        first, *others = world.cases(world.make(world.order(4)))
        for cases in ([first], others):
            for case in cases:
                release = world.release(case)
                form = client.get("/published/").context["releases"][0]["form"]
                destination = form.fields["destination"].choices[0][0]
                client.post(f"/releases/{release.id}/publish/", form_of(release.id, destination))
                client.get("/published/")
            with CaptureQueriesContext(connection) as queries:
                client.get("/published/")
            counts.append(len(queries))
        assert counts[0] == counts[1]


class TestWithdrawal:
    def test_asks_once_more_then_says_who_when_and_why(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        client, address = world.client("clara"), f"/releases/{release.id}/withdraw/"
        assert address in client.get("/published/").content.decode()
        asked = client.get(address).content.decode()
        assert "The publisher takes copies away that were delivered" in asked
        assert not releases.is_withdrawn(release.id)
        answer = client.post(address, {"reason": "The logo is outdated."}, follow=True)
        assert answer.redirect_chain == [(f"/published/#release-{release.id}", 302)]
        for username in ("clara", "marta"):
            page = world.client(username).get("/published/").content.decode()
            assert f"Withdrawn by {accounts.display_name(world.actor('clara').id)}" in page
            assert "The logo is outdated." in page
            assert "publish-form" not in page
            assert address not in page
        assert "withdrawn already" in client.get(address).content.decode()
        again = client.post(address, {"reason": "Once more."}, follow=True).content.decode()
        assert "This release is withdrawn already." in again

    def test_stops_a_form_that_was_still_open(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        marta = world.client("marta")
        form = marta.get("/published/").context["releases"][0]["form"]
        sent = form_of(release.id, form.fields["destination"].choices[0][0])
        world.client("mona").post(f"/releases/{release.id}/withdraw/", {"reason": "Outdated."})
        answer = marta.post(f"/releases/{release.id}/publish/", sent, follow=True)
        assert "it is not published again" in answer.content.decode()
        assert not Publication.objects.exists()

    def test_asks_for_an_old_password_again_and_loses_nothing(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        client, address = world.client("clara"), f"/releases/{release.id}/withdraw/"
        assert 'type="password"' not in client.get(address).content.decode()
        world.authenticate(client, now() - timedelta(hours=1))
        assert 'type="password"' in client.get(address).content.decode()
        sent = {"reason": "The logo is outdated."}
        for password, said in (
            ("", "recent proof"),
            ("wrong", "This is not your password"),
        ):
            answer = client.post(address, {**sent, "password": password})
            text = answer.content.decode()
            assert answer.status_code in {400, 401, 403}
            assert said in text
            assert sent["reason"] in text
            assert not releases.is_withdrawn(release.id)
        client.post(address, {**sent, "password": world.passwords["clara"]})
        assert releases.is_withdrawn(release.id)

    def test_needs_a_reason(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        answer = world.client("clara").post(f"/releases/{release.id}/withdraw/", {"reason": " "})
        assert answer.status_code == 400
        assert "Give the reason for the withdrawal." in answer.content.decode()
        assert not releases.is_withdrawn(release.id)

    @pytest.mark.parametrize("username", ["marta", "bruno", "otto"])
    def test_is_not_for_other_roles(self, world: World, username: str) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        client, address = world.client(username), f"/releases/{release.id}/withdraw/"
        assert address not in client.get("/published/").content.decode()
        assert client.get(address).status_code == 403
        assert client.post(address, {"reason": "Mine."}).status_code == 403
        assert not releases.is_withdrawn(release.id)

    def test_of_another_brand_is_not_found(self, world: World) -> None:
        release = world.release(world.cases(world.make(world.order(1)))[0])
        assert world.client("ada").get(f"/releases/{release.id}/withdraw/").status_code == 404
