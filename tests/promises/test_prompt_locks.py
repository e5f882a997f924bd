"""Locked text stays locked, and a template says what was approved: attacked in words and in SQL."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from governance.kernel.digests import sha256_hex
from governance.kernel.errors import InvalidInput
from governance.kernel.ids import uuid7
from governance.review import services as review
from templates.brands import services as brands
from templates.prompts import compile as compiling
from templates.prompts import selectors
from templates.prompts.errors import ContentBroken
from templates.prompts.records import VersionRecord
from tests.factories import review as make
from tests.factories.templates import NOW, Studio, content, studio
from tests.promises import attacks
from tests.promises.attacks import Attack, bound, change, copied, count, delete, insert, replace

# ---------------------------------------------------------------------------------------------
# In words: what a variable may do to the text around it.

FREE = {"type": "string", "x-free-text": True, "minLength": 1, "maxLength": 80}
FORM = content(
    prompt='a mug, sign "{{ words }}", ({{ words | capitalize }}), {{ words | lower }} end',
    negative="text",
    schema={
        "type": "object",
        "required": ["words"],
        "additionalProperties": False,
        "properties": {"words": FREE},
    },
    starter={"words": "star"},
)
LOCKED = compiling.locked_pieces(FORM["prompt"])
# What prompt parsers, tokenizers and readers take for structure.
STRUCTURE = re.compile(
    r"[()\[\]{}<>|\\:;=^*_~`@#$/\"“”«»„]|\+|--|\bBREAK\b|\bAND\b|\bADD(?:COMM|BASE|ROW|COL)\b"
)
BREAKOUTS = [
    "(nude:1.9)",
    "[red|blue]",
    "{{ 7 * 7 }}",
    "{% for i in range(9) %}x{% endfor %}",
    "{red|blue}",
    "<lora:x:1>",
    "a:1.3",
    "red++",
    "red--",
    "a AND b",
    "a BREAK b",
    "aND",
    "bREAK",
    "ＡＮＤ",
    "ＢＲＥＡＫ",
    "（red：1.9）",
    "﹙x﹚",
    'star", naked "',
    "star\u201d, naked",
    "__wildcard__",
    "embedding:x",
    "a | b",
    "a\nNegative prompt: b",
    "a\r\nb",
    "a\u2028b",
    "a\x0bb",
    "a\x00b",
    "a\u202eb",
    "a\u2066b",
    "a\u200bb",
    "a\ufeffb",
    "a\U000e0041b",
    "a\u3164b",
    "a\ufe0fb",
    "a\\nb",
    "'star', b",
    "a\ud800b",
]


def naive(value: str) -> str:
    """Compile as one would without thinking: the same engine, no rules."""
    environment = Environment(autoescape=False)  # noqa: S701 - a prompt is not HTML
    environment.filters["capitalize"] = lambda text: text[:1].upper() + text[1:]
    return environment.from_string(FORM["prompt"]).render(words=value)


def broken_out(prompt: str) -> bool:
    """Tell whether a compiled prompt holds more structure than its locked text brought in."""
    if any(
        c in compiling.INVISIBLE or unicodedata.category(c) in compiling.UNSEEN_CATEGORIES
        for c in prompt
    ):
        return True
    locked = sum(len(STRUCTURE.findall(piece)) for piece in LOCKED)
    seen = len(STRUCTURE.findall(unicodedata.normalize("NFKC", prompt)))
    return seen != locked or "'" in re.sub(r"(?<=\w)'(?=\w)", "", prompt)


def locked_text_stands(prompt: str) -> bool:
    """Tell whether the locked pieces stand in the prompt, in their order, from first to last."""
    at = 0
    for piece in LOCKED:
        at = prompt.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return prompt.startswith(LOCKED[0]) and prompt.endswith(LOCKED[-1])


# Text that lives near the edge: pieces of known attacks between ordinary and odd characters.
near_the_edge = st.lists(
    st.one_of(
        st.sampled_from(BREAKOUTS),
        st.sampled_from(["AND", "and", "And", "break", "BREAK", " ", "-", "'", "’", ",", ".", "é"]),
        st.text(max_size=4),
        st.characters(min_codepoint=0x20, max_codepoint=0x3000).map(str),
    ),
    min_size=1,
    max_size=5,
).map("".join)


class TestVariables:
    @pytest.mark.parametrize("value", BREAKOUTS, ids=ascii)
    def test_that_try_to_break_out_are_refused_and_would_have_broken_out(self, value: str) -> None:
        with pytest.raises(InvalidInput) as refused:
            compiling.compile_prompt(FORM, {"words": value})
        assert refused.value.pointer == "/variables/words"
        assert broken_out(naive(value)), "the control saw nothing break"

    @settings(max_examples=400)
    @given(near_the_edge)
    def test_of_any_text_enter_as_text_or_not_at_all(self, value: str) -> None:
        try:
            prompt = compiling.compile_prompt(FORM, {"words": value}).prompt
        except InvalidInput:
            return
        assert not broken_out(prompt)
        assert locked_text_stands(prompt)
        assert f'sign "{unicodedata.normalize("NFC", value)}"' in prompt

    @pytest.mark.parametrize(
        "value",
        ["star", "rock-n-roll", "O'Neill", "50 % off!", "Müller & Söhne", "赤い花", "звезда"],
    )
    def test_of_ordinary_words_are_let_in(self, value: str) -> None:
        assert f'sign "{value}"' in compiling.compile_prompt(FORM, {"words": value}).prompt

    @given(st.dictionaries(st.text(max_size=12), st.none() | st.text(max_size=8) | st.integers()))
    def test_of_any_name_and_type_end_in_a_prompt_or_a_clear_error(
        self, variables: dict[str, Any]
    ) -> None:
        pointers = {each.pointer for each in compiling.variable_problems(FORM, variables)}
        assert all(pointer.startswith("/variables/") for pointer in pointers)
        if not pointers:
            compiling.compile_prompt(FORM, variables)


class TestTemplates:
    pieces = st.sampled_from(
        ["{{", "}}", "{%", "%}", "{#", "#}", " ", "words", "|", "lower", "(", ")", '"', ".", "[",
         "]", "__class__", "range(9)", "for i in", "if", "a", ",", "prefixed", "~", "*", "9", "-"]
    )  # fmt: skip

    @settings(max_examples=400)
    @given(st.lists(pieces, max_size=14).map("".join))
    def test_of_any_text_hold_placeholders_only(self, text: str) -> None:
        made = FORM | {"prompt": f"{text}, {{{{ words }}}}"}
        if compiling.content_problems(made):
            return
        prompt = compiling.compile_prompt(made, {"words": "qqq"}).prompt
        filled = re.sub(r"\{\{.*?\}\}", "", made["prompt"])
        kept = prompt.replace("qqq", "").replace("Qqq", "").replace("a qqq", "")
        assert not set(kept) - set(made["prompt"])
        assert len(filled) <= len(prompt)


# ---------------------------------------------------------------------------------------------
# In SQL: what the database itself refuses.

OTHER = sha256_hex(b"other content")


@dataclass
class Shelf:
    """One brand's template with a version in each state, for an attacker to choose from."""

    at: Studio = field(default_factory=studio)
    released: VersionRecord = field(init=False)
    approved: VersionRecord = field(init=False)
    in_review: VersionRecord = field(init=False)
    taken_back: VersionRecord = field(init=False)
    draft: VersionRecord = field(init=False)
    elsewhere: VersionRecord = field(init=False)
    label: UUID = field(init=False)
    proposed_rules: UUID = field(init=False)

    def __post_init__(self) -> None:
        at = self.at
        self.released = at.release()
        self.approved = at.approve(at.submit(at.draft(negative="one")))
        self.in_review = at.submit(at.draft(negative="two"))
        self.taken_back = at.approve(at.submit(at.draft(negative="three")))
        review.void_case(
            actor=at.team.compliance_reviewer,
            case_id=at.case_of(self.taken_back).id,
            reason="A mistake.",
            now=NOW,
        )
        self.draft = at.draft(negative="four")
        self.elsewhere = at.submit(at.draft(slug="elsewhere", name="Elsewhere"))
        self.label = self.row("prompts_templaterelease", version_id=self.released.id)
        self.proposed_rules = brands.propose_rules(
            actor=at.author, brand_id=at.brand.id, rules=[], now=NOW
        ).id

    @staticmethod
    def row(table: str, **values: Any) -> UUID:
        """Return the id of the only row that holds these values."""
        (name, value), *_ = values.items()
        return UUID(str(copied(table, value, key=name)["id"]))

    def approval(self, version: VersionRecord) -> UUID:
        """Return the approval of a version, one that was taken back included."""
        return self.row("review_approval", subject_id=version.subject_id)

    def put_label(self, version: VersionRecord, **changes: Any) -> None:
        """Insert a label for a version, as the service would, with changes."""
        insert(
            "prompts_templaterelease",
            **{
                "id": uuid7(),
                "created_at": NOW,
                "template_id": version.template_id,
                "version_id": version.id,
                "approval_id": uuid7(),
                "subject_id": version.subject_id,
                "sha256": version.sha256,
                "released_by": self.at.author.id,
            }
            | changes,
        )

    def put_version(self, **changes: Any) -> None:
        """Insert a version of registered bytes, as the service would, with changes."""
        made = uuid7()
        sha256 = changes.get("sha256", self.draft.sha256)
        review.register_subject(
            subject_id=made,
            kind=changes.pop("kind", "template_version"),
            sha256=sha256,
            brand_id=self.at.brand.id,
            contributors={self.at.author.id: "author"},
            now=NOW,
        )
        base = copied("prompts_templateversion", self.draft.id)
        insert(
            "prompts_templateversion",
            **(base | {"id": made, "subject_id": made, "number": 99} | changes),
        )


def labels(version: Callable[[Shelf], VersionRecord]) -> Callable[[Shelf], bool]:
    return lambda s: count("prompts_templaterelease", version_id=version(s).id) > 0


def holds(table: str, which: Callable[[Shelf], UUID], **values: Any) -> Callable[[Shelf], bool]:
    return lambda s: count(table, id=which(s), **values) == 1


def gone(table: str, which: Callable[[Shelf], UUID]) -> Callable[[Shelf], bool]:
    return lambda s: count(table, id=which(s)) == 0


VERSION, LABEL, TEMPLATE = (
    "prompts_templateversion",
    "prompts_templaterelease",
    "prompts_prompttemplate",
)
LABEL_APPROVAL = bound(LABEL, "approval_id", "subject_id", "sha256")
LABEL_VERSION = bound(LABEL, "version_id", "template_id", "subject_id", "sha256")
NOT_VOIDED = "prompts_release_of_voided_case"

VERSION_ATTACKS = (
    Attack(
        "rewrite a released text",
        ["prompts_templateversion_frozen"],
        lambda s: change(VERSION, s.released.id, canonical="{}"),
        holds(VERSION, lambda s: s.released.id, canonical="{}"),
    ),
    Attack(
        "give a version other bytes",
        ["prompts_templateversion_frozen", bound(VERSION, "subject_id", "sha256", "brand_id")],
        lambda s: change(VERSION, s.draft.id, sha256=OTHER),
        holds(VERSION, lambda s: s.draft.id, sha256=OTHER),
    ),
    Attack(
        "renumber a version",
        ["prompts_templateversion_frozen"],
        lambda s: change(VERSION, s.draft.id, number=50),
        holds(VERSION, lambda s: s.draft.id, number=50),
    ),
    Attack(
        "forge the author",
        ["prompts_templateversion_frozen"],
        lambda s: change(VERSION, s.draft.id, created_by=uuid7()),
        lambda s: count(VERSION, id=s.draft.id, created_by=s.at.author.id) == 0,
    ),
    Attack(
        "move a version to another template",
        ["prompts_templateversion_frozen"],
        lambda s: change(VERSION, s.draft.id, template_id=s.elsewhere.template_id, number=7),
        lambda s: count(VERSION, id=s.draft.id, template_id=s.elsewhere.template_id) == 1,
    ),
    Attack(
        "delete a version",
        ["prompts_templateversion_never_deleted"],
        lambda s: delete(VERSION, s.draft.id),
        gone(VERSION, lambda s: s.draft.id),
    ),
    Attack(
        "replace a version by its number",
        ["prompts_version_once"],
        lambda s: replace(
            VERSION,
            key="template_id, number",
            **(copied(VERSION, s.elsewhere.id) | _as_new(s, s.draft)),
        ),
        gone(VERSION, lambda s: s.draft.id),
        vendor="sqlite",
    ),
    Attack(
        "insert a version that is reviewed as an image",
        ["prompts_version_of_its_kind"],
        lambda s: s.put_version(kind="asset", number=97),
        lambda _s: count(VERSION, number=97) == 1,
    ),
    Attack(
        "insert a version that is released at birth",
        ["prompts_version_starts_draft"],
        lambda s: s.put_version(state="released"),
        lambda _s: count(VERSION, number=99, state="released") == 1,
    ),
    Attack(
        "insert a version for another brand",
        [
            bound(VERSION, "template_id", "brand_id"),
            bound(VERSION, "subject_id", "sha256", "brand_id"),
        ],
        lambda s: s.put_version(brand_id=uuid7()),
        lambda _s: count(VERSION, number=99) == 1,
    ),
    Attack(
        "release a version without a label",
        ["prompts_version_released_by_label"],
        lambda s: change(VERSION, s.in_review.id, state="released"),
        holds(VERSION, lambda s: s.in_review.id, state="released"),
    ),
    Attack(
        "release a draft without review",
        ["prompts_version_moves", "prompts_version_released_by_label"],
        lambda s: change(VERSION, s.draft.id, state="released"),
        holds(VERSION, lambda s: s.draft.id, state="released"),
    ),
    Attack(
        "take a released version back to draft",
        ["prompts_version_moves"],
        lambda s: change(VERSION, s.released.id, state="draft"),
        holds(VERSION, lambda s: s.released.id, state="draft"),
    ),
)
LABEL_ATTACKS = (
    Attack(
        "label a version without an approval",
        [LABEL_APPROVAL, NOT_VOIDED],
        lambda s: s.put_label(s.in_review),
        labels(lambda s: s.in_review),
    ),
    Attack(
        "label a version with another one's approval",
        [LABEL_APPROVAL],
        lambda s: s.put_label(s.in_review, approval_id=s.approval(s.approved)),
        labels(lambda s: s.in_review),
    ),
    Attack(
        "label a version with an approval that was taken back",
        [NOT_VOIDED],
        lambda s: s.put_label(s.taken_back, approval_id=s.approval(s.taken_back)),
        labels(lambda s: s.taken_back),
    ),
    Attack(
        "label a version while naming the approved one's bytes",
        [LABEL_VERSION],
        lambda s: s.put_label(
            s.in_review,
            approval_id=s.approval(s.approved),
            subject_id=s.approved.subject_id,
            sha256=s.approved.sha256,
        ),
        labels(lambda s: s.in_review),
    ),
    Attack(
        "label a version under another template",
        [LABEL_VERSION],
        lambda s: s.put_label(
            s.approved,
            approval_id=s.approval(s.approved),
            template_id=s.elsewhere.template_id,
        ),
        labels(lambda s: s.approved),
    ),
    Attack(
        "label a draft",
        ["prompts_release_of_version_in_review", LABEL_APPROVAL, NOT_VOIDED],
        lambda s: s.put_label(s.draft),
        labels(lambda s: s.draft),
    ),
    Attack(
        "move the label to another version",
        ["prompts_templaterelease_append_only", LABEL_VERSION],
        lambda s: change(LABEL, s.label, version_id=s.in_review.id),
        labels(lambda s: s.in_review),
    ),
    Attack(
        "take the label off",
        ["prompts_templaterelease_append_only"],
        lambda s: delete(LABEL, s.label),
        gone(LABEL, lambda s: s.label),
    ),
    Attack(
        "put a newer label over the old one",
        ["prompts_release_once", "prompts_release_own_approval",
         "prompts_release_of_version_in_review"],
        lambda s: replace(
            LABEL,
            key="version_id",
            **(copied(LABEL, s.label) | {"id": uuid7(), "released_by": uuid7()}),
        ),
        gone(LABEL, lambda s: s.label),
        vendor="sqlite",
    ),
)  # fmt: skip
OTHER_ATTACKS = (
    Attack(
        "rename a template's slug",
        ["prompts_prompttemplate_frozen"],
        lambda s: change(TEMPLATE, s.draft.template_id, slug="other"),
        holds(TEMPLATE, lambda s: s.draft.template_id, slug="other"),
    ),
    Attack(
        "make a template for a brand that is none",
        [bound(TEMPLATE, "brand_id")],
        lambda _s: insert(
            TEMPLATE, id=uuid7(), created_at=NOW, brand_id=uuid7(), slug="stray", name="Stray"
        ),
        lambda _s: count(TEMPLATE, slug="stray") == 1,
    ),
    Attack(
        "soften rules that are approved",
        ["brands_ruleset_frozen"],
        lambda s: change("brands_ruleset", s.at.rules.id, rules="[]"),
        holds("brands_ruleset", lambda s: s.at.rules.id, rules="[]"),
    ),
    Attack(
        "delete rules",
        ["brands_ruleset_never_deleted"],
        lambda s: delete("brands_ruleset", s.at.rules.id),
        gone("brands_ruleset", lambda s: s.at.rules.id),
    ),
    Attack(
        "approve rules as who proposed them",
        [
            attacks.constraint("brands_ruleset", "rules_approved_by_another"),
            "brands_ruleset_approved_by_review",
        ],
        lambda s: change(
            "brands_ruleset", s.proposed_rules, approved_by=s.at.author.id, approved_at=NOW
        ),
        lambda s: count("brands_ruleset", id=s.proposed_rules, approved_by=s.at.author.id) == 1,
    ),
    Attack(
        "insert rules that are approved at birth",
        ["brands_ruleset_starts_open"],
        lambda s: insert(
            "brands_ruleset",
            **(copied("brands_ruleset", s.at.rules.id) | {"id": uuid7(), "number": 9}),
        ),
        lambda _s: count("brands_ruleset", number=9) == 1,
    ),
    Attack(
        "take an approval of rules back",
        ["brands_ruleset_approved_once"],
        lambda s: change("brands_ruleset", s.at.rules.id, approved_by=None, approved_at=None),
        lambda s: (
            count("brands_ruleset", id=s.at.rules.id, approved_by=s.at.team.other_manager.id) == 0
        ),
    ),
    Attack(
        "replace rules by their number",
        ["brands_ruleset_once"],
        lambda s: replace(
            "brands_ruleset",
            key="brand_id, number",
            **(
                copied("brands_ruleset", s.at.rules.id)
                | {"id": uuid7(), "rules": "[]", "approved_by": None, "approved_at": None}
            ),
        ),
        gone("brands_ruleset", lambda s: s.at.rules.id),
        vendor="sqlite",
    ),
)


def _as_new(shelf: Shelf, place: VersionRecord) -> dict[str, Any]:
    """Return what makes a copied row another version in the place of `place`."""
    made = uuid7()
    review.register_subject(
        subject_id=made,
        kind="template_version",
        sha256=shelf.elsewhere.sha256,
        brand_id=shelf.at.brand.id,
        contributors={shelf.at.author.id: "author"},
        now=NOW,
    )
    return {
        "id": made,
        "subject_id": made,
        "template_id": place.template_id,
        "number": place.number,
        "state": "draft",
    }


@pytest.mark.django_db(transaction=True)
class TestDatabase:
    @pytest.fixture
    def shelf(self, settings: Any, tmp_path: Path) -> Shelf:
        make.use_sealing_key(settings, tmp_path)
        return Shelf()

    def test_refuses_other_versions(self, shelf: Shelf, subtests: pytest.Subtests) -> None:
        attacks.play(VERSION_ATTACKS, shelf, subtests)

    def test_refuses_other_labels(self, shelf: Shelf, subtests: pytest.Subtests) -> None:
        attacks.play(LABEL_ATTACKS, shelf, subtests)

    def test_refuses_other_templates_and_rules(
        self, shelf: Shelf, subtests: pytest.Subtests
    ) -> None:
        attacks.play(OTHER_ATTACKS, shelf, subtests)

    def test_lets_the_right_label_through(self, shelf: Shelf) -> None:
        shelf.put_label(shelf.approved, approval_id=shelf.approval(shelf.approved))
        change(VERSION, shelf.approved.id, state="released")
        found = selectors.released_version(shelf.at.author, shelf.approved.template_id)
        assert found.id == shelf.approved.id

    def test_changed_content_is_noticed_when_it_is_read(self, shelf: Shelf) -> None:
        from django.db import transaction

        from tests import databases

        with databases.as_owner(), transaction.atomic():
            attacks.without(["prompts_templateversion_frozen"])
            stored = copied(VERSION, shelf.released.id)["canonical"]
            change(VERSION, shelf.released.id, canonical=stored.replace("soft light", "hard light"))
            with pytest.raises(ContentBroken):
                selectors.released_version(shelf.at.author, shelf.released.template_id)
            transaction.set_rollback(True)
