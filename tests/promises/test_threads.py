"""What was said about an image stands: raw SQL against annotations, replies and resolutions."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.review import services
from governance.review.models import Reply, Resolution
from governance.review.records import AnnotationRecord, CaseRecord
from tests.factories import review as make
from tests.promises import attacks
from tests.promises.attacks import (
    Attack,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    replace,
)

pytestmark = pytest.mark.django_db(transaction=True)

IN_IMAGE = constraint("review_annotation", "annotation_lies_in_the_image")
PIN_OR_BOX = constraint("review_annotation", "annotation_is_a_pin_or_a_box")


@dataclass
class Said:
    """Two threads, one of them settled; and one on a case that is over, settled by nobody."""

    team: make.Team = field(default_factory=make.Team)
    case: CaseRecord = field(init=False)
    closed: CaseRecord = field(init=False)
    about_open: AnnotationRecord = field(init=False)
    settled: AnnotationRecord = field(init=False)
    about_closed: AnnotationRecord = field(init=False)
    reply_id: UUID = field(init=False)
    resolution_id: UUID = field(init=False)
    id: UUID = field(default_factory=uuid7)

    def __post_init__(self) -> None:
        make.approved_policy(self.team)
        self.case, self.closed = make.open_case(self.team), make.open_case(self.team)
        self.about_open = self.annotate(self.case)
        self.settled = self.annotate(self.case)
        self.about_closed = self.annotate(self.closed)
        reviewer = self.team.brand_reviewer
        services.reply(
            actor=reviewer, annotation_id=self.about_open.id, text="And here?", now=make.NOW
        )
        services.resolve(actor=reviewer, annotation_id=self.settled.id, now=make.NOW)
        make.decide(self.closed, reviewer, "request_changes")
        self.reply_id = Reply.objects.get().id
        self.resolution_id = Resolution.objects.get().id

    def annotate(self, case: CaseRecord) -> AnnotationRecord:
        """Put a pin on a case's image."""
        return services.annotate(
            actor=self.team.brand_reviewer,
            case_id=case.id,
            sha256=str(case.subject.sha256),
            mark="pin",
            x=0.5,
            y=0.5,
            text="The logo is too small.",
            now=make.NOW,
        )

    def annotation(self, **changes: Any) -> dict[str, Any]:
        """Return the row of another annotation."""
        return {**copied("review_annotation", self.about_open.id), "id": self.id, **changes}

    def reply(self, **changes: Any) -> dict[str, Any]:
        """Return the row of another reply."""
        return {**copied("review_reply", self.reply_id), "id": self.id, **changes}

    def resolution(self, **changes: Any) -> dict[str, Any]:
        """Return the row of another resolution."""
        return {**copied("review_resolution", self.resolution_id), "id": self.id, **changes}


@pytest.fixture
def said(settings: Any, tmp_path: Path) -> Iterator[Said]:
    make.use_sealing_key(settings, tmp_path)
    return Said()


def added(table: str) -> Any:
    return lambda s: count(table, id=s.id) == 1


ROWS = [
    Attack(
        "annotate a case that is over",
        ["review_annotation_in_open_case"],
        lambda s: insert(
            "review_annotation",
            **{**copied("review_annotation", s.about_closed.id), "id": s.id},
        ),
        added("review_annotation"),
    ),
    Attack(
        "annotate other bytes",
        ["review_annotation_in_open_case"],
        lambda s: insert("review_annotation", **s.annotation(sha256=sha256_hex(b"other"))),
        added("review_annotation"),
    ),
    Attack(
        "annotate another subject",
        ["review_annotation_in_open_case"],
        lambda s: insert("review_annotation", **s.annotation(subject_id=uuid7())),
        added("review_annotation"),
    ),
    Attack(
        "put a pin outside",
        [IN_IMAGE],
        lambda s: insert("review_annotation", **s.annotation(x=1.5)),
        added("review_annotation"),
    ),
    Attack(
        "draw a box without a size",
        [PIN_OR_BOX],
        lambda s: insert("review_annotation", **s.annotation(mark="box")),
        added("review_annotation"),
    ),
    Attack(
        "draw a box that ends outside",
        [PIN_OR_BOX],
        lambda s: insert("review_annotation", **s.annotation(mark="box", width=0.6, height=0.1)),
        added("review_annotation"),
    ),
    Attack(
        "move a pin",
        ["review_annotation_append_only"],
        lambda s: change("review_annotation", s.about_open.id, x=0.25),
        lambda s: count("review_annotation", id=s.about_open.id, x=0.25) == 1,
    ),
    Attack(
        "remove what was answered",
        ["review_reply_append_only"],
        lambda s: delete("review_reply", s.reply_id),
        lambda s: count("review_reply", id=s.reply_id) == 0,
    ),
    Attack(
        "put other words in somebody's mouth",
        ["review_reply_append_only"],
        lambda s: change("review_reply", s.reply_id, author_id=s.team.requester.id),
        lambda s: count("review_reply", author_id=s.team.requester.id) == 1,
    ),
    Attack(
        "answer in a case that is over",
        ["review_reply_in_open_case"],
        lambda s: insert("review_reply", **s.reply(annotation_id=s.about_closed.id)),
        added("review_reply"),
    ),
    Attack(
        "settle a thread of a case that is over",
        ["review_resolution_in_open_case"],
        lambda s: insert("review_resolution", **s.resolution(annotation_id=s.about_closed.id)),
        added("review_resolution"),
    ),
    Attack(
        "unsettle a thread",
        ["review_resolution_append_only"],
        lambda s: delete("review_resolution", s.resolution_id),
        lambda s: count("review_resolution", id=s.resolution_id) == 0,
    ),
    Attack(
        "say that somebody else settled it",
        ["review_resolution_append_only"],
        lambda s: change("review_resolution", s.resolution_id, resolved_by=s.team.auditor.id),
        lambda s: count("review_resolution", resolved_by=s.team.auditor.id) == 1,
    ),
    Attack(
        "settle it again in another's name",
        ["review_resolution_once"],
        lambda s: replace("review_resolution", key="id", **s.resolution()),
        added("review_resolution"),
        vendor="sqlite",
    ),
]


def test_what_was_said_stands(said: Said, subtests: pytest.Subtests) -> None:
    attacks.play(ROWS, said, subtests)
