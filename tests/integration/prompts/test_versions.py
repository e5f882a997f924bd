"""A version is drafted, reviewed by others, released by its approval, retired with a reason."""

from dataclasses import replace
from typing import Any, Never

import pytest

from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from governance.kernel.ids import uuid7
from governance.kernel.lifecycle import IllegalTransition
from governance.ledger.models import Entry
from governance.policy import table
from governance.policy.permissions import Permission
from governance.policy.permits import NotPermitted
from governance.review import selectors as reviews
from governance.review import services as review
from governance.review.models import Subject
from governance.review.selectors import NoPolicy
from templates.prompts import content as contents
from templates.prompts import selectors, services
from templates.prompts.errors import NothingReleased, NotReviewed, ReasonRequired
from templates.prompts.models import PromptTemplate, TemplateRelease, TemplateVersion
from templates.prompts.records import VersionRecord
from tests.factories import review as make
from tests.factories.review import NOW
from tests.factories.templates import Studio, content
from tests.factories.templates import studio as make_studio

pytestmark = pytest.mark.django_db


def retire(
    studio: Studio, version: VersionRecord, reason: str = "The lamp is not sold any more."
) -> VersionRecord:
    return services.retire_version(
        actor=studio.author, version_id=version.id, reason=reason, now=NOW
    )


def events_of(version: VersionRecord) -> list[str]:
    entries = Entry.objects.filter(subject_id=version.id, event__startswith="prompts.")
    return [entry.event for entry in entries.order_by("id")]


class TestDraftVersion:
    def test_keeps_exactly_what_was_written(self, studio: Studio) -> None:
        version = studio.draft()
        assert version.content == content(name="Hero shot")
        assert version.sha256 == sha256_hex(contents.canonical(content(), name="Hero shot"))
        assert (version.number, version.state, version.slug) == (1, "draft", "hero-shot")
        assert list(version.content["schema"]["properties"]) == ["object", "color", "detail"]

    def test_counts_versions_and_keeps_one_template(self, studio: Studio) -> None:
        first, second = studio.draft(), studio.draft(name="Hero", negative="text")
        assert (first.template_id, second.number) == (second.template_id, 2)
        assert [
            each.number for each in selectors.list_versions(studio.author, first.template_id)
        ] == [
            2,
            1,
        ]

    def test_names_its_author_as_contributor(self, studio: Studio) -> None:
        assert reviews.contributors(studio.draft().subject_id) == {studio.author.id}

    @pytest.mark.parametrize(
        ("given", "pointer"),
        [
            ({"slug": "Hero Shot"}, "/slug"),
            ({"slug": "a" * 61}, "/slug"),
            ({"name": ""}, "/name"),
            ({"name": "a\u202eb"}, "/name"),
            ({"prompt": "{{ x.y }}"}, "/prompt"),
        ],
    )
    def test_that_is_malformed_leaves_no_row(
        self, studio: Studio, given: Any, pointer: str
    ) -> None:
        before = Entry.objects.count()
        with pytest.raises(InvalidInput) as refused:
            studio.draft(**given)
        assert refused.value.pointer == pointer
        assert not PromptTemplate.objects.exists()
        assert Entry.objects.count() == before

    def test_is_the_act_of_a_brand_manager_in_their_brand(self, studio: Studio) -> None:
        given = {"slug": "x", "name": "X", "content": content(), "now": NOW}
        with pytest.raises(NotPermitted):
            services.draft_version(actor=studio.team.requester, brand_id=studio.brand.id, **given)
        with pytest.raises(NotFound):
            services.draft_version(
                actor=studio.author, brand_id=make_studio("other").brand.id, **given
            )


class TestSubmitVersion:
    def test_opens_the_case_that_pins_it(self, studio: Studio) -> None:
        version = studio.submit()
        case = studio.case_of(version)
        assert version.state == "in_review"
        assert case.title == "Template Hero shot, version 1"
        assert case.pins == {"template_version_id": str(version.id)}
        assert case.subject.sha256 == version.sha256

    def test_happens_once(self, studio: Studio) -> None:
        version = studio.submit()
        with pytest.raises(IllegalTransition):
            studio.submit(version)

    def test_is_not_for_marketers(self, studio: Studio) -> None:
        version = studio.draft()
        with pytest.raises(NotPermitted):
            services.submit_version(actor=studio.team.requester, version_id=version.id, now=NOW)
        assert selectors.get_version(studio.author, version.id).state == "draft"

    def test_is_not_reviewed_by_its_author(self, studio: Studio) -> None:
        version = studio.submit()
        policy_role = make.person(
            studio.brand.id, make.Role.BRAND_MANAGER, make.Role.BRAND_REVIEWER, id=studio.author.id
        )
        with pytest.raises(NotPermitted):
            make.decide(studio.case_of(version), policy_role)


class TestReleaseVersion:
    def test_puts_the_label_on(self, studio: Studio) -> None:
        version = studio.release()
        assert version.state == "released"
        assert selectors.released_version(studio.author, version.template_id) == version
        template = selectors.get_template(studio.author, version.template_id)
        assert (template.released, template.released_at) == (version, NOW)

    @pytest.mark.parametrize("prepare", ["submit", "rejected", "voided"])
    def test_needs_an_approval_that_stands(self, studio: Studio, prepare: str) -> None:
        version = studio.submit()
        case = studio.case_of(version)
        if prepare == "rejected":
            make.decide(case, studio.team.brand_reviewer, "reject")
        if prepare == "voided":
            make.approve(studio.team, case)
            review.void_case(
                actor=studio.team.compliance_reviewer,
                case_id=case.id,
                reason="A mistake.",
                now=NOW,
            )
        with pytest.raises(NotReviewed):
            studio.release(version)
        assert selectors.get_version(studio.author, version.id).state == "in_review"

    def test_does_not_take_a_draft(self, studio: Studio) -> None:
        with pytest.raises(IllegalTransition):
            studio.release(studio.draft())

    def test_is_not_for_reviewers_and_marketers(self, studio: Studio) -> None:
        version = studio.approve()
        for actor in (studio.team.requester, studio.team.brand_reviewer):
            with pytest.raises(NotPermitted):
                services.release_version(actor=actor, version_id=version.id, now=NOW)

    def test_leaves_one_entry_for_each_step(self, studio: Studio) -> None:
        version = studio.release()
        assert events_of(version) == [
            "prompts.version.drafted",
            "prompts.version.submitted",
            "prompts.version.released",
        ]


class TestTheLabel:
    def test_goes_to_the_version_released_last(self, studio: Studio) -> None:
        first = studio.release()
        second = studio.release(studio.approve(studio.submit(studio.draft(negative="text"))))
        assert selectors.released_version(studio.author, first.template_id).id == second.id

    def test_goes_back_when_the_last_one_is_retired(self, studio: Studio) -> None:
        first = studio.release()
        second = studio.release(studio.approve(studio.submit(studio.draft(negative="text"))))
        retire(studio, second)
        assert selectors.released_version(studio.author, first.template_id).id == first.id
        retire(studio, first)
        with pytest.raises(NothingReleased):
            selectors.released_version(studio.author, first.template_id)

    def test_is_not_on_what_is_only_approved(self, studio: Studio) -> None:
        version = studio.approve()
        with pytest.raises(NothingReleased):
            selectors.released_version(studio.author, version.template_id)


class TestRetireVersion:
    def test_keeps_the_version_and_says_why_under_seal(self, studio: Studio) -> None:
        version = retire(studio, studio.release())
        assert selectors.get_version(studio.author, version.id).state == "retired"
        entry = Entry.objects.get(event="prompts.version.retired")
        assert b"lamp" not in bytes(entry.body)

    @pytest.mark.parametrize("reason", ["", "  ", "x" * 2001])
    def test_needs_a_reason(self, studio: Studio, reason: str) -> None:
        version = studio.release()
        with pytest.raises(ReasonRequired):
            retire(studio, version, reason)
        assert selectors.released_version(studio.author, version.template_id) == version

    def test_happens_once(self, studio: Studio) -> None:
        version = retire(studio, studio.draft())
        with pytest.raises(IllegalTransition):
            retire(studio, version)

    def test_voids_its_own_open_review(self, studio: Studio) -> None:
        version = studio.submit()
        retire(studio, version)
        assert studio.case_of(version).state == "voided"

    def test_voids_open_and_approved_reviews_of_its_images_but_no_others(
        self, studio: Studio
    ) -> None:
        make.approved_policy(studio.team)
        version = studio.release()
        cases = {}
        for name, pinned in (("open", version.id), ("approved", version.id), ("other", uuid7())):
            cases[name] = review.open_case(
                actor=SYSTEM,
                subject_id=make.subject(studio.team).id,
                title=name,
                pins={services.PIN: str(pinned)},
                requested_by=studio.team.requester.id,
                now=NOW,
            )
        make.approve(studio.team, cases["approved"])
        retire(studio, version)
        states = {name: make.current(case).state for name, case in cases.items()}
        assert states == {"open": "voided", "approved": "voided", "other": "open"}
        assert studio.case_of(version).state == "approved"


def _key(person: Actor) -> Actor:
    """Return a key of a person that names every permission there is as its scope."""
    scopes = frozenset(permission.value for permission in Permission)
    return replace(person, kind=ActorKind.INTEGRATION, scopes=scopes, key_id=uuid7())


class TestReleasedLabel:
    """The label is moved by a person who may: no key and none of our own processes can."""

    def test_is_on_one_version(self, studio: Studio) -> None:
        first, second = studio.release(), studio.release()
        assert first.template_id == second.template_id
        released = selectors.released_version(studio.author, first.template_id)
        assert released.id == second.id
        assert [each.id for each in selectors.list_versions(studio.author, first.template_id)] == [
            second.id,
            first.id,
        ]

    def test_is_not_put_on_by_a_key_or_a_process(self, studio: Studio) -> None:
        version = studio.approve()
        for actor in (_key(studio.author), SYSTEM):
            with pytest.raises(NotPermitted):
                services.release_version(actor=actor, version_id=version.id, now=NOW)
        assert not TemplateRelease.objects.exists()

    def test_is_not_taken_off_by_a_key_or_a_process(self, studio: Studio) -> None:
        version = studio.release()
        for actor in (_key(studio.author), SYSTEM):
            with pytest.raises(NotPermitted):
                services.retire_version(actor=actor, version_id=version.id, reason="Old.", now=NOW)
        assert selectors.get_version(studio.author, version.id).state == "released"

    def test_can_be_named_by_no_key_at_all(self) -> None:
        for permission in (Permission.PROMPTS_TEMPLATE_RELEASE, Permission.PROMPTS_TEMPLATE_RETIRE):
            assert not table.is_for_keys(permission)

    def test_names_the_version_before_as_the_parent(self, studio: Studio) -> None:
        first, second = studio.draft(), studio.draft(negative="text")
        assert Subject.objects.get(id=first.subject_id).parent_id is None
        assert Subject.objects.get(id=second.subject_id).parent_id == first.subject_id


class TestReads:
    def test_hide_other_brands(self, studio: Studio) -> None:
        version = make_studio("other").release()
        with pytest.raises(NotFound):
            selectors.get_template(studio.author, version.template_id)
        with pytest.raises(NotFound):
            selectors.get_version(studio.author, version.id)
        with pytest.raises(NotFound):
            selectors.released_version(studio.author, version.template_id)
        with pytest.raises(NotFound):
            services.submit_version(actor=studio.author, version_id=version.id, now=NOW)
        assert selectors.list_templates(studio.author) == ()
        assert selectors.find_by_subject(studio.author, version.subject_id) is None
        assert selectors.find_by_subject(SYSTEM, version.subject_id) == version

    def test_list_released_templates_only_where_asked(self, studio: Studio) -> None:
        released = studio.release()
        studio.draft(slug="other", name="Other")
        all_of_them = selectors.list_templates(studio.team.requester, studio.brand.id)
        assert [each.slug for each in all_of_them] == ["hero-shot", "other"]
        (only,) = selectors.list_templates(studio.team.requester, released_only=True)
        assert only.released == released

    def test_take_as_many_queries_for_many_as_for_one(
        self, studio: Studio, django_assert_num_queries: Any
    ) -> None:
        for slug in ("one", "two", "three"):
            studio.release(studio.approve(studio.submit(studio.draft(slug=slug))))
        with django_assert_num_queries(2):
            assert len(selectors.list_templates(studio.author)) == 3

    def test_unknown_ids_are_not_found(self, studio: Studio) -> None:
        for read in (selectors.get_template, selectors.get_version, selectors.released_version):
            with pytest.raises(NotFound):
                read(studio.author, uuid7())


def test_a_brand_without_a_review_policy_cannot_submit(studio: Studio, monkeypatch: Any) -> None:
    version = studio.draft()

    def none(brand_id: Any, kind: Any) -> Never:
        raise NoPolicy("none")

    monkeypatch.setattr(reviews, "current_policy", none)
    with pytest.raises(NoPolicy):
        studio.submit(version)
    assert TemplateVersion.objects.get(pk=version.id).state == "draft"
