"""release_case: what was approved is marked, read back and released once; all else stays inside."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as installed
from imprimatur.publishing import services, tasks
from imprimatur.publishing.errors import NotApproved
from structlog.testing import capture_logs

from generation.assets import blobs
from generation.assets import selectors as assets
from generation.assets.models import Blob
from governance.kernel.actors import SYSTEM
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.ledger import verifier
from governance.ledger.models import Entry
from governance.marking import marks
from governance.marking.errors import MarkingIncomplete, SignerUnusable
from governance.outbox.models import Outbox
from governance.passport import document
from governance.refusals import selectors as refusals
from governance.release import selectors as releases
from governance.release.models import Due, Release
from governance.review import services as review
from governance.review.records import CaseRecord
from governance.rights import services as rights
from governance.rights.errors import RightsLacking
from tests.factories import pictures
from tests.factories import review as make
from tests.factories.publishing import NOW, SIDE_PX, Press


def gate_refusals(press: Press) -> list[tuple[str, Any]]:
    found = refusals.list_refusals(press.team.auditor, brand_id=press.brand_id)
    return [(r.category, r.subject_id) for r in found if r.stage == "gate"]


def stored(sha256: str) -> Path:
    folder = Path(installed.STORAGES["blobs"]["OPTIONS"]["location"])
    return folder / sha256[:2] / sha256[2:4] / sha256


class TestReleaseCase:
    def test_waits_for_the_checkpoint(self, press: Press) -> None:
        case = press.approved()
        assert services.release_case(case_id=case.id, now=NOW) is None
        assert Release.objects.count() == 0
        assert gate_refusals(press) == []
        press.prove()
        assert services.release_case(case_id=case.id, now=NOW) is not None

    def test_releases_marked_bytes_that_read_back(self, press: Press) -> None:
        case = press.provable()
        release = services.release_case(case_id=case.id, now=NOW)
        assert release is not None
        assert release.reviewed_sha256 == case.subject.sha256 != release.marked_sha256
        data = blobs.get(release.marked_sha256)
        anchors = (Path(installed.PUBLIC_KEY_FOLDER) / "anchors.pem").read_bytes()
        assert [(x.layer, x.state) for x in marks.read_back(data, anchors)] == [
            ("xmp", "present"),
            ("c2pa", "Trusted"),
        ]
        kept = Blob.objects.get(pk=release.marked_sha256)
        assert (kept.retention_class, kept.size_bytes) == ("released", len(data))
        assert Entry.objects.filter(event="release.release.created").count() == 1
        assert Due.objects.count() == 0

    def test_releases_once_when_it_runs_twice(self, press: Press) -> None:
        case = press.provable()
        first = services.release_case(case_id=case.id, now=NOW)
        second = services.release_case(case_id=case.id, now=NOW + timedelta(seconds=5))
        assert first == second
        assert Release.objects.count() == 1
        assert Entry.objects.filter(event="release.release.created").count() == 1

    def test_returns_the_others_release_when_two_publishers_mark_at_once(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Each signature differs, so the second one's bytes are not the first one's."""
        case = press.provable()
        mark, others = marks.mark, []

        def mark_while_another_does(*args: Any, **named: Any) -> marks.Marked:
            monkeypatch.setattr(marks, "mark", mark)
            others.append(services.release_case(case_id=case.id, now=NOW))
            return mark(*args, **named)

        monkeypatch.setattr(marks, "mark", mark_while_another_does)
        assert services.release_case(case_id=case.id, now=NOW) == others[0]
        assert Release.objects.count() == 1
        assert gate_refusals(press) == []

    @pytest.mark.parametrize("ending", ["open", "rejected", "voided"])
    def test_refuses_a_case_that_does_not_stand_approved(self, press: Press, ending: str) -> None:
        case = ended(press, ending)
        with pytest.raises(NotApproved):
            services.release_case(case_id=case.id, now=NOW)
        assert Release.objects.count() == 0
        assert gate_refusals(press) == [("not_approved", case.subject.id)]

    def test_refuses_a_case_that_is_voided_while_it_is_marked(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = press.provable()
        mark = marks.mark

        def mark_while_it_is_voided(*args: Any, **named: Any) -> marks.Marked:
            void(press, case)
            return mark(*args, **named)

        monkeypatch.setattr(marks, "mark", mark_while_it_is_voided)
        with pytest.raises(NotApproved):
            services.release_case(case_id=case.id, now=NOW)
        assert Release.objects.count() == 0
        assert Blob.objects.filter(retention_class="released").count() == 0
        assert gate_refusals(press) == [("not_approved", case.subject.id)]

    def test_refuses_what_was_made_from_a_picture_whose_rights_ended(self, press: Press) -> None:
        case = press.provable()
        asset = assets.find_by_subject(case.subject.id)
        assert asset is not None
        studio = pictures.Studio(press.brand_id)
        cup = studio.picture()
        rights.record_use(
            actor=press.marketer,
            subject=SubjectRef("picture", cup.id, cup.brand_id, cup.sha256),
            used=SubjectRef("job_item", asset.item_id, press.brand_id),
            now=pictures.NOW,
        )
        studio.withdraw(cup)
        with pytest.raises(RightsLacking):
            services.release_case(case_id=case.id, now=NOW)
        assert Release.objects.count() == 0
        assert gate_refusals(press) == [("rights_lacking", case.subject.id)]

    def test_does_not_know_a_case_that_is_not_there(self, press: Press) -> None:
        with pytest.raises(NotFound):
            services.release_case(case_id=uuid7(), now=NOW)


class TestWhatCannotBeMarked:
    @pytest.mark.parametrize(
        ("damage", "code"),
        [
            (lambda path: path.unlink(), "blob_missing"),
            (lambda path: path.write_bytes(path.read_bytes()[:-1] + b"x"), "blob_corrupt"),
        ],
    )
    def test_is_not_released_without_its_reviewed_bytes(
        self, press: Press, damage: Any, code: str
    ) -> None:
        case = press.provable()
        path = stored(str(case.subject.sha256))
        path.chmod(0o640)
        damage(path)
        with capture_logs() as logs:
            tasks.release(case_id=str(case.id))
        assert Release.objects.count() == 0
        assert gate_refusals(press) == [(code, case.subject.id)]
        (told,) = [line for line in logs if line["log_level"] == "error"]
        assert told["event"] == "Unable to release"
        assert (told["case_id"], told["code"]) == (str(case.id), code)
        assert told["reason"].endswith(".")

    def test_is_not_released_when_a_layer_does_not_read_back(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = press.provable()

        def fail(*_: Any, **__: Any) -> marks.Marked:
            raise MarkingIncomplete("The signed manifest reads as Invalid.", layer="c2pa")

        monkeypatch.setattr(marks, "read_back", fail)
        with pytest.raises(MarkingIncomplete):
            services.release_case(case_id=case.id, now=NOW)
        assert Release.objects.count() == 0
        assert Blob.objects.filter(retention_class="released").count() == 0
        refusal = refusals.find_by_subject(case.subject.id)
        assert refusal is not None
        assert refusal.requester_id == press.marketer.id
        assert refusal.reason.endswith("The signed manifest reads as Invalid.")

    def test_is_told_once_and_tried_again_after_a_pause(self, press: Press, settings: Any) -> None:
        case = press.provable()
        keys, settings.PUBLISHER_KEY_FOLDER = settings.PUBLISHER_KEY_FOLDER, "nowhere"
        for _ in range(2):
            with pytest.raises(SignerUnusable):
                services.release_case(case_id=case.id, now=NOW)
        assert gate_refusals(press) == [("signer_unusable", case.subject.id)]
        settings.PUBLISHER_KEY_FOLDER = keys
        assert services.sweep(now=NOW + timedelta(seconds=30)) == 0
        assert services.sweep(now=NOW + timedelta(minutes=2)) == 1
        assert services.release_case(case_id=case.id, now=NOW) is not None

    def test_is_tried_again_after_a_pause_when_the_error_is_our_own(
        self, press: Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        case = press.provable()

        def fail(_: str) -> bytes:
            raise OSError("Input/output error")

        monkeypatch.setattr(blobs, "get", fail)
        with pytest.raises(OSError, match="Input"):
            services.release_case(case_id=case.id, now=NOW)
        assert gate_refusals(press) == []
        assert services.sweep(now=NOW + timedelta(seconds=30)) == 0


class TestTheTask:
    def test_ignores_arguments_of_later_senders(self, press: Press) -> None:
        case = press.provable()
        tasks.release(case_id=str(case.id), priority="later")
        assert releases.find_release(subject_id=case.subject.id) is not None

    def test_lives_on_after_a_case_that_is_not_approved(self, press: Press) -> None:
        case = ended(press, "rejected")
        with capture_logs() as logs:
            tasks.release(case_id=str(case.id))
        assert [line["code"] for line in logs if line["log_level"] == "error"] == ["not_approved"]


class TestThePassport:
    def test_says_what_was_released_and_by_whom(self, press: Press) -> None:
        case = press.provable()
        release = services.release_case(case_id=case.id, now=NOW)
        assert release is not None
        told = document.read(releases.get_passport(SYSTEM, release.id))
        asset = told["asset"]
        assert told["id"] == told["release"]["id"] == str(release.id)
        assert told["release"]["reviewed_sha256"] == case.subject.sha256
        assert told["release"]["marked_sha256"] == release.marked_sha256
        assert (asset["id"], asset["brand_id"]) == (str(case.subject.id), str(press.brand_id))
        assert (asset["width_px"], asset["height_px"]) == (SIDE_PX, SIDE_PX)
        assert told["template"]["version_id"] == str(press.version.id)
        assert told["template"]["approver_id"] == str(press.team.compliance_reviewer.id)
        assert told["recipe"]["weights_sha256"] == press.profile.snapshot_sha256
        assert told["order"]["requester_id"] == str(press.marketer.id)
        assert [d["reviewer_id"] for d in told["decisions"]] == [
            str(press.team.brand_reviewer.id),
            str(press.team.compliance_reviewer.id),
        ]
        assert {d["seen_sha256"] for d in told["decisions"]} == {case.subject.sha256}
        assert {x["layer"]: x["state"] for x in told["marking"]["layers"]} == {
            "xmp": "present",
            "c2pa": "Trusted",
        }
        (score,) = told["scores"]
        assert (score["scorer"], score["verdict"], score["is_calibrated"]) == (
            "sharpness",
            "pass",
            False,
        )

    def test_holds_no_personal_text(self, press: Press) -> None:
        release = press.released()
        assert b"mug" not in releases.get_passport(SYSTEM, release.id)

    def test_satisfies_the_offline_verifier(self, press: Press, tmp_path: Path) -> None:
        release = press.released()
        passport, image = tmp_path / "passport", tmp_path / "image"
        passport.write_bytes(releases.get_passport(SYSTEM, release.id))
        image.write_bytes(blobs.get(release.marked_sha256))
        told = verify(passport, image)
        assert told.returncode == 0, told.stdout + told.stderr

    @pytest.mark.parametrize("forged", ["image", "passport"])
    def test_fails_the_offline_verifier_once_something_was_changed(
        self, press: Press, tmp_path: Path, forged: str
    ) -> None:
        """The negative control of the one above."""
        release = press.released()
        data = blobs.get(release.marked_sha256)
        told = json.loads(releases.get_passport(SYSTEM, release.id))
        if forged == "image":
            data += b"x"
        else:
            told["decisions"][0]["seen_sha256"] = sha256_hex(b"other bytes")
            told["release"]["reviewed_sha256"] = sha256_hex(b"other bytes")
        (tmp_path / "image").write_bytes(data)
        (tmp_path / "passport").write_text(
            json.dumps(told, sort_keys=True, separators=(",", ":")), encoding="utf-8"
        )
        assert verify(tmp_path / "passport", tmp_path / "image").returncode != 0


def test_an_approval_wakes_the_publisher(press: Press) -> None:
    case = press.approved()
    press.prove()
    services.sweep(now=NOW)
    hints = Outbox.objects.filter(task="publishing.release")
    assert {hint.kwargs["case_id"] for hint in hints} == {str(case.id)}


def ended(press: Press, ending: str) -> CaseRecord:
    case = press.provable() if ending == "voided" else press.case_of(press.image())
    if ending == "rejected":
        make.decide(case, press.team.brand_reviewer, "reject")
    if ending == "voided":
        void(press, case)
    return make.current(case)


def void(press: Press, case: CaseRecord) -> None:
    review.void_case(
        actor=press.team.manager, case_id=case.id, reason="Ordered by mistake.", now=NOW
    )


def verify(passport: Path, image: Path) -> subprocess.CompletedProcess[str]:
    """Run the verifier alone: no settings, no database, none of our modules."""
    key = str(Path(installed.PUBLIC_KEY_FOLDER) / "ledger.vkey")
    arguments = ["passport", str(passport), "--image", str(image), "--key", key]
    return subprocess.run(
        [sys.executable, "-I", str(Path(verifier.__file__)), *arguments],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
