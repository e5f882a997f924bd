"""Releases, passports and the order to publish."""

from uuid import UUID, uuid4

from imprimatur.publishing.models import Publication

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
