"""The bytes of an asset: exact, private, and only for those of the brand."""

from governance.kernel.digests import sha256_hex
from tests.integration.web.world import World


class TestImage:
    def test_is_exactly_the_reviewed_bytes(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        answer = world.client("bruno").get(f"/assets/{case.subject.id}/image")
        assert sha256_hex(answer.content) == case.subject.sha256
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"].startswith("private")
        assert "sandbox" in answer.headers["Content-Security-Policy"]

    def test_is_not_sent_again_to_whoever_has_it(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        answer = world.client("bruno").get(
            f"/assets/{case.subject.id}/image",
            headers={"If-None-Match": f'"{case.subject.sha256}"'},
        )
        assert answer.status_code == 304
        assert answer.content == b""

    def test_is_hidden_from_whoever_has_no_role_in_the_brand(self, world: World) -> None:
        case = world.cases(world.make(world.order(1)))[0]
        held = {"If-None-Match": f'"{case.subject.sha256}"'}
        for headers in ({}, held):
            answer = world.client("ada").get(f"/assets/{case.subject.id}/image", headers=headers)
            assert answer.status_code == 404
