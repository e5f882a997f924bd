"""Pictures over the API: a form with a file and its rights, lists by these, steward's acts."""

from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart

from generation.pictures import decoding
from governance.kernel.actors import Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.roles import Role
from tests import rows
from tests.factories import jobs, people
from tests.factories.pictures import SOON, png
from tests.integration.api.client import Client

FACTS = {
    "owner": "Northwind Studio",
    "basis": "own_work",
    "people_shown": "none",
    "evidence": "Shot by our studio.",
}
ADULTS = FACTS | {"people_shown": "adults", "consent": "Model release 17."}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"owner": ()}, "/owner", "required"),
    ({"owner": ""}, "/owner", "blank"),
    ({"basis": "theft"}, "/basis", "invalid_choice"),
    ({"people_shown": "adults"}, "/consent", "required"),
    ({"biometric_use": "true"}, "/biometric_use", "refused"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at", "expired"),
    ({"expires_at": "soon"}, "/expires_at", "offset"),
    ({"brand_id": "none"}, "/brand_id", "invalid"),
    ({"file": ()}, "/file", "required"),
    ({"file": "no file"}, "/file", "invalid"),
    ({"file": b""}, "/file", "empty"),
    ({"file": b"GIF89a"}, "/file", "format"),
    ({"file": png()[:-9]}, "/file", "damaged"),
    ({"file": b"x" * (decoding.BYTES_MAX + 1)}, "/file", "size"),
    ({"colour": "red"}, "/colour", "unknown"),
    ({"owner": ["one", "two"]}, "/owner", "once"),
]


@pytest.fixture(autouse=True)
def _store(settings: Any, tmp_path: Path) -> None:
    jobs.use_blobs(settings, tmp_path / "blobs")


@pytest.fixture
def steward(ada: Actor, brand_id: UUID) -> Client:
    people.add(ada, "stella", brand_id=brand_id, roles=[Role.DATA_STEWARD])
    return Client.signed_in("stella")


def bring(
    client: Client,
    brand_id: UUID,
    facts: dict[str, Any] | None = None,
    data: bytes | None = None,
    key: str = "",
    /,
    **changes: Any,
) -> Any:
    form = {"brand_id": str(brand_id), "file": data or png()} | (facts or FACTS) | changes
    if isinstance(form["file"], bytes):
        form["file"] = SimpleUploadedFile("cup.png", form["file"])
    body = encode_multipart(BOUNDARY, {name: value for name, value in form.items() if value != ()})
    headers = {"Content-Type": MULTIPART_CONTENT, "Idempotency-Key": key or str(uuid4())}
    return client.send("POST", "pictures", body, **headers)


class TestBringing:
    def test_answers_the_picture_with_its_rights(self, marta: Client, brand_id: UUID) -> None:
        made = bring(marta, brand_id, expires_at=SOON.isoformat())
        assert made.status_code == 201, made.content
        shown = made.json()
        assert (shown["name"], shown["received_sha256"]) == ("cup.png", sha256_hex(png()))
        assert (shown["rights"]["state"], shown["rights"]["standing"]) == ("in_force", "expiring")
        assert marta.get(made.headers["Location"]).json() == shown
        image = marta.get(f"{made.headers['Location']}/image")
        assert sha256_hex(image.content) == shown["sha256"]
        assert image.headers["Content-Type"] == "image/png"
        assert "sandbox" in image.headers["Content-Security-Policy"]
        again = marta.get(
            f"{made.headers['Location']}/image", **{"If-None-Match": f'"{shown["sha256"]}"'}
        )
        assert again.status_code == 304

    def test_sent_twice_acts_once(self, marta: Client, brand_id: UUID) -> None:
        first = bring(marta, brand_id, None, None, "k")
        again = bring(marta, brand_id, None, None, "k")
        assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
        other = bring(marta, brand_id, None, png("red"), "k")
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    def test_names_what_is_wrong_and_leaves_nothing(
        self, marta: Client, brand_id: UUID, subtests: pytest.Subtests
    ) -> None:
        before = rows.counted()
        for changes, pointer, rule in WRONG:
            with subtests.test(f"{pointer} {rule}"):
                answer = bring(marta, brand_id, **changes)
                assert answer.status_code == 400, answer.content
                (error,) = answer.json()["errors"]
                assert (error["pointer"], error["rule"]) == (pointer, rule)
                assert rows.added_since(before) == {}

    def test_takes_a_form_alone(self, marta: Client) -> None:
        for body, kind, status in (
            (b"{}", "application/json", 415),
            (b"nothing of the kind", "multipart/form-data", 400),
            (b"nothing of the kind", MULTIPART_CONTENT, 400),
        ):
            headers = {"Content-Type": kind, "Idempotency-Key": "k"}
            assert marta.send("POST", "pictures", body, **headers).status_code == status

    def test_asks_for_the_csrf_token(self, marta: Client, brand_id: UUID) -> None:
        marta.token = "x" * 32
        assert bring(marta, brand_id).json()["code"] == "csrf_failed"

    def test_is_for_people_of_the_brand(
        self, stranger: Client, admin: Client, brand_id: UUID
    ) -> None:
        for client in (stranger, admin):
            assert bring(client, brand_id).status_code == 403
        assert bring(Client(), brand_id).status_code in {401, 403}


class TestRights:
    def test_wait_for_a_steward_and_are_withdrawn(
        self, marta: Client, steward: Client, stranger: Client, brand_id: UUID
    ) -> None:
        made = bring(marta, brand_id, ADULTS)
        here, rights = made.headers["Location"], made.json()["rights"]
        confirmation = f"rights/{rights['id']}/confirmation"
        waiting = steward.get("pictures?show=waiting").json()["items"]
        assert [each["id"] for each in waiting] == [made.json()["id"]]
        assert marta.post(confirmation).status_code == 403
        assert stranger.post(confirmation).status_code == 404
        confirmed = steward.post(confirmation)
        assert (confirmed.status_code, confirmed.json()["rights"]["state"]) == (201, "in_force")
        assert steward.post(confirmation).json()["code"] == "illegal_transition"
        withdrawal = f"rights/{rights['id']}/withdrawal"
        assert marta.post(withdrawal, {"reason": " "}).status_code == 400
        gone = marta.post(withdrawal, {"reason": "Consent ended."}).json()["rights"]
        assert (gone["state"], gone["withdraw_reason"]) == ("withdrawn", "Consent ended.")
        restated = marta.post(f"{here}/rights", FACTS).json()["rights"]
        assert (restated["number"], restated["state"]) == (2, "waiting")
        versions = steward.get(f"{here}/rights").json()["items"]
        assert [each["state"] for each in versions] == ["replaced", "waiting"]
        assert steward.get(f"{here}/uses").json()["items"] == []

    def test_of_others_are_hidden(self, marta: Client, stranger: Client, brand_id: UUID) -> None:
        here = bring(marta, brand_id).headers["Location"]
        for path in ("", "/image", "/rights", "/uses"):
            assert stranger.get(f"{here}{path}").status_code == 404
        assert stranger.post(f"{here}/rights", FACTS).status_code == 404
        assert stranger.get("pictures").json()["items"] == []
        assert marta.get("pictures?show=nonsense").status_code == 400
