"""The guards of review and release, as data: named once, and short enough for every catalogue."""

from governance.release import guards as release
from governance.review import guards as review

GUARDS = (*review.GUARDS, *release.GUARDS)


def test_names_are_unique_and_fit_postgresql() -> None:
    for vendor in ("postgresql", "sqlite"):
        names = [piece.name for guard in GUARDS for piece in guard.pieces(vendor)]
        assert len(names) == len(set(names))
        if vendor == "postgresql":
            # A function's name is the trigger's with three more characters; 63 bytes are kept.
            assert max(map(len, names)) <= 60


def test_what_proves_a_review_is_append_only() -> None:
    evidence = {guard.table for guard in GUARDS if guard.makes_append_only}
    assert evidence == {
        "release_passport",
        "release_release",
        "release_withdrawal",
        "review_annotation",
        "review_answer",
        "review_approval",
        "review_assignment",
        "review_checklistitem",
        "review_conditionmet",
        "review_contribution",
        "review_decision",
        "review_delivery",
        "review_exhibit",
        "review_group",
        "review_pin",
        "review_reply",
        "review_resolution",
        "review_stage",
        "review_subject",
    }
