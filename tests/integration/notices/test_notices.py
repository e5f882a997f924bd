"""Notices: told once, read by those they are for, and gone after their time."""

from dataclasses import replace
from datetime import timedelta

import pytest

from governance.kernel.actors import SYSTEM, ActorKind
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.subjects import SubjectRef
from governance.notices import selectors, services
from governance.notices.models import Notice
from governance.notices.states import Kind
from tests.factories import review as make

pytestmark = pytest.mark.django_db

LATER = make.NOW + timedelta(hours=1)


@pytest.fixture
def team() -> make.Team:
    return make.Team()


@pytest.fixture
def about(team: make.Team) -> SubjectRef:
    return SubjectRef("asset", uuid7(), team.brand_id, "0" * 64)


class TestTell:
    def test_tells_each_person_once(self, team: make.Team, about: SubjectRef) -> None:
        case_id = uuid7()
        told = services.tell(
            person_ids=[team.manager.id, team.auditor.id, team.manager.id],
            kind="review.mentioned",
            subject=about,
            case_id=case_id,
            now=make.NOW,
        )
        assert told == Notice.objects.count() == 2
        notice = selectors.list_notices(team.manager)[0]
        assert (notice.kind, notice.case_id, notice.read_at) == ("review.mentioned", case_id, None)
        assert (notice.subject_kind, notice.subject_id) == ("asset", about.id)
        assert notice.brand_id == team.brand_id

    def test_writes_nothing_for_nobody(self, about: SubjectRef) -> None:
        assert (
            services.tell(person_ids=[], kind=Kind.REVIEW_OVERDUE, subject=about, now=make.NOW) == 0
        )
        assert not Notice.objects.exists()

    def test_refuses_a_kind_without_a_place_in_the_register(self, about: SubjectRef) -> None:
        with pytest.raises(ValueError, match=r"review\.whatever"):
            services.tell(person_ids=[uuid7()], kind="review.whatever", subject=about, now=make.NOW)


class TestRead:
    def test_is_for_the_person_alone(self, team: make.Team, about: SubjectRef) -> None:
        _tell(team, about)
        everything = make.person(team.brand_id, *make.Role, is_platform_admin=True)
        for other in (team.manager, everything, SYSTEM):
            assert selectors.list_notices(other) == ()
        notice = selectors.list_notices(team.auditor)[0]
        for other in (team.manager, everything, SYSTEM):
            with pytest.raises(NotFound):
                selectors.get_notice(other, notice.id)
            with pytest.raises(NotFound):
                services.mark_read(actor=other, notice_id=notice.id, now=LATER)
        assert selectors.get_notice(team.auditor, notice.id) == notice

    def test_is_not_for_a_key_of_the_person(self, team: make.Team, about: SubjectRef) -> None:
        _tell(team, about)
        scopes = frozenset({"notices:notice:read"})
        key = replace(team.auditor, kind=ActorKind.INTEGRATION, scopes=scopes)
        assert selectors.list_notices(key) == ()

    def test_notes_the_first_time(self, team: make.Team, about: SubjectRef) -> None:
        _tell(team, about)
        notice = selectors.list_notices(team.auditor, unread=True)[0]
        for now in (LATER, LATER + timedelta(hours=1)):
            read = services.mark_read(actor=team.auditor, notice_id=notice.id, now=now)
            assert read.read_at == LATER
        assert selectors.list_notices(team.auditor, unread=True) == ()
        assert selectors.list_notices(team.auditor) == (read,)

    def test_can_be_all_at_once(self, team: make.Team, about: SubjectRef) -> None:
        for _ in range(3):
            _tell(team, about)
        services.tell(
            person_ids=[team.manager.id], kind=Kind.REVIEW_DECIDED, subject=about, now=LATER
        )
        assert services.mark_all_read(actor=team.auditor, now=LATER) == 3
        assert services.mark_all_read(actor=team.auditor, now=LATER) == 0
        assert len(selectors.list_notices(team.manager, unread=True)) == 1

    def test_pages_from_the_newest(self, team: make.Team, about: SubjectRef) -> None:
        for _ in range(5):
            _tell(team, about)
        first = selectors.list_notices(team.auditor, limit=2)
        rest = selectors.list_notices(team.auditor, after=first[-1].id, limit=50)
        ids = [notice.id for notice in (*first, *rest)]
        assert ids == sorted(ids, reverse=True)
        assert len(set(ids)) == 5

    @pytest.mark.parametrize("limit", [0, 201])
    def test_refuses_a_page_of_any_size(self, team: make.Team, limit: int) -> None:
        with pytest.raises(InvalidInput) as refused:
            selectors.list_notices(team.auditor, limit=limit)
        assert refused.value.pointer == "/limit"


class TestPrune:
    def test_removes_what_is_older(self, team: make.Team, about: SubjectRef) -> None:
        _tell(team, about)
        services.tell(
            person_ids=[team.auditor.id], kind=Kind.REVIEW_DECIDED, subject=about, now=LATER
        )
        now = make.NOW + timedelta(days=90, minutes=1)
        assert services.prune(now=now, older_than=timedelta(days=90)) == 1
        assert [notice.created_at for notice in selectors.list_notices(team.auditor)] == [LATER]


def _tell(team: make.Team, about: SubjectRef) -> None:
    services.tell(
        person_ids=[team.auditor.id], kind=Kind.REVIEW_MENTIONED, subject=about, now=make.NOW
    )
