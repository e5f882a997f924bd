"""The passport: one byte form, a schema, and parts that must agree; else there is no passport."""

import base64
import copy
import json
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from governance.kernel.digests import canonical_json
from governance.passport import document
from governance.passport.document import PassportInvalid
from governance.passport.facts import (
    ApprovalFacts,
    AssetFacts,
    BreakGlassFacts,
    ConditionFacts,
    DecisionFacts,
    LayerFacts,
    LedgerFacts,
    MarkingFacts,
    OrderFacts,
    ParentFacts,
    Passport,
    PictureFacts,
    PromptFacts,
    RecipeFacts,
    ReleaseFacts,
    ScoreFacts,
    StageFacts,
    StepFacts,
    TemplateFacts,
)

REVIEWED, MARKED, OTHER = "a" * 64, "b" * 64, "c" * 64
AT = datetime(2026, 8, 2, 12, 30, tzinfo=UTC)
ORIGIN = "imprimatur.example/ledger"
APPROVAL, CASE = UUID(int=20), UUID(int=21)


def entry(
    *,
    event: str = "review.case.approved",
    sha256: str = REVIEWED,
    facts: dict[str, str] | None = None,
) -> bytes:
    subject = {"kind": "asset", "id": "x", "sha256": sha256}
    return canonical_json({"v": 1, "event": event, "subject": subject, "facts": facts or {}})


def decision(reviewer: int, stage: str) -> DecisionFacts:
    return DecisionFacts(
        id=UUID(int=30 + reviewer),
        reviewer_id=UUID(int=reviewer),
        role=f"{stage}_reviewer",
        stage=stage,
        verdict="approve",
        seen_sha256=REVIEWED,
        decided_at=AT,
        policy_version="two-stage@1",
        checklist={"no_real_person": "yes", "tagline": "not_applicable"},
        seconds_on_screen=41,
        reason_sealed=b"\x01ciphertext",
    )


PASSPORT = Passport(
    id=UUID(int=1),
    issued_at=AT,
    release=ReleaseFacts(UUID(int=2), REVIEWED, MARKED, "embedded@1"),
    asset=AssetFacts(
        id=UUID(int=3),
        brand_id=UUID(int=4),
        modality="image",
        media_type="image/png",
        width_px=512,
        height_px=768,
        size_bytes=400_000,
        parents=(ParentFacts(UUID(int=5), OTHER, "upscale"),),
        steps=(
            StepFacts(0, "generate", OTHER, 256, 384),
            StepFacts(1, "upscale.lanczos/1", REVIEWED, 512, 768),
        ),
    ),
    template=TemplateFacts(UUID(int=6), UUID(int=7), 3, UUID(int=8)),
    prompt=PromptFacts(OTHER, OTHER, compiled_sealed=b"\x01sealed"),
    recipe=RecipeFacts(
        fingerprint="f" * 64,
        profile_id=UUID(int=9),
        model="demo-sd3",
        model_revision="rev-1",
        weights_sha256=OTHER,
        licence_id="cc0-1.0",
        pipeline="StableDiffusion3Pipeline",
        scheduler="FlowMatchEulerDiscreteScheduler",
        seed=2**64 - 1,
        steps=8,
        guidance="4.5",
        dtype="float32",
        worker_class="cpu",
        can_replay=True,
        adapter_ids=(UUID(int=10),),
        pictures=(
            PictureFacts("source", "7" * 64, UUID(int=11), "0.6"),
            PictureFacts("mask", None, None),
        ),
        libraries={"torch": "2.13.0", "diffusers": "0.42.0"},
    ),
    order=OrderFacts(
        job_id=UUID(int=11),
        item_id=UUID(int=12),
        requester_id=UUID(int=13),
        ordered_at=AT,
        rendered_at=AT,
        quota_reservation_id=UUID(int=14),
        gpu_s="0.731",
        markets=("DE", "FR"),
    ),
    scores=(ScoreFacts("safety", OTHER, "1e-05", "0.5", "demo@1", "pass", is_calibrated=False),),
    decisions=(decision(15, "brand"), decision(16, "compliance")),
    approval=ApprovalFacts(
        APPROVAL,
        CASE,
        "two-stage@1",
        AT,
        stages=(
            StageFacts(1, "brand", "Brand", "role", "brand_reviewer", None, 1),
            StageFacts(2, "legal", "Legal", "people", None, 3, 1),
            StageFacts(2, "board", "Board", "group", None, None, 2),
        ),
    ),
    marking=MarkingFacts(
        profile="embedded@1",
        timestamp_authority=None,
        layers=(
            LayerFacts("xmp", "present", "imprimatur-xmp-scanner", {"dc:title": "Salz & Blüte"}),
            LayerFacts(
                "c2pa",
                "Trusted",
                "c2pa-rs-0.91.3",
                {
                    "reviewed_sha256": REVIEWED,
                    "ledger_leaf_index": 3,
                    "approval_id": str(APPROVAL),
                    "case_id": str(CASE),
                },
            ),
        ),
        c2pa_manifest_id="urn:c2pa:1",
    ),
    ledger=LedgerFacts(
        entry=entry(),
        leaf_index=3,
        proof=(b"\x11" * 32, b"\x22" * 32),
        checkpoint=f"{ORIGIN}\n9\nROOT=\n\n— {ORIGIN} SIGNATURE=\n",
        origin=ORIGIN,
    ),
)


def written() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(document.write(PASSPORT))
    return loaded


class TestWrite:
    def test_gives_the_same_bytes_each_time(self) -> None:
        assert document.write(PASSPORT) == document.write(copy.deepcopy(PASSPORT))

    def test_gives_the_keys_that_the_offline_verifier_reads(self) -> None:
        found = written()
        assert found["release"] == {
            "id": str(UUID(int=2)),
            "reviewed_sha256": REVIEWED,
            "marked_sha256": MARKED,
            "marking_profile": "embedded@1",
        }
        assert found["ledger"] == {
            "entry": base64.b64encode(entry()).decode(),
            "leaf_index": 3,
            "proof": ["11" * 32, "22" * 32],
            "checkpoint": PASSPORT.ledger.checkpoint,
            "origin": ORIGIN,
        }

    def test_says_that_there_is_no_timestamp_authority(self) -> None:
        marking = written()["marking"]
        assert "timestamp_authority" in marking
        assert marking["timestamp_authority"] is None

    def test_keeps_every_digit_of_a_seed(self) -> None:
        assert written()["recipe"]["seed"] == "18446744073709551615"

    def test_holds_personal_text_as_ciphertext_only(self) -> None:
        found = written()
        sealed = base64.b64encode(b"\x01ciphertext").decode()
        assert found["decisions"][0]["reason_sealed"] == sealed
        assert set(found["prompt"]) == {
            "compiled_sha256",
            "variables_sha256",
            "compiled_sealed",
            "variables_sealed",
        }

    def test_writes_every_field_of_every_record(self) -> None:
        assert set(written()) == {item.name for item in fields(Passport)} | {"schema_version"}

    @pytest.mark.parametrize(
        ("changed", "pointer"),
        [
            (
                replace(PASSPORT, release=replace(PASSPORT.release, marked_sha256="B" * 64)),
                "/release/marked_sha256",
            ),
            (
                replace(PASSPORT, release=replace(PASSPORT.release, marked_sha256="b" * 63 + "\n")),
                "/release/marked_sha256",
            ),
            (replace(PASSPORT, recipe=replace(PASSPORT.recipe, seed=-1)), "/recipe/seed"),
            (
                replace(PASSPORT, recipe=replace(PASSPORT.recipe, guidance="NaN")),
                "/recipe/guidance",
            ),
            (replace(PASSPORT, asset=replace(PASSPORT.asset, width_px=0)), "/asset/width_px"),
            (replace(PASSPORT, asset=replace(PASSPORT.asset, width_px=2**53)), "/asset/width_px"),
            (
                replace(PASSPORT, marking=replace(PASSPORT.marking, layers=())),
                "/marking/layers",
            ),
            (
                replace(
                    PASSPORT,
                    marking=replace(
                        PASSPORT.marking,
                        layers=(replace(PASSPORT.marking.layers[1], state="Valid"),),
                    ),
                ),
                "/marking/layers/0/state",
            ),
        ],
    )
    def test_refuses_what_does_not_fit_the_schema(self, changed: Passport, pointer: str) -> None:
        with pytest.raises(PassportInvalid) as refusal:
            document.write(changed)
        assert refusal.value.pointer == pointer

    def test_refuses_text_that_json_cannot_carry(self) -> None:
        changed = replace(PASSPORT, order=replace(PASSPORT.order, purpose="\ud800"))
        with pytest.raises(PassportInvalid):
            document.write(changed)


LAYER = PASSPORT.marking.layers[1]


def with_layer(**facts: str | int) -> Passport:
    layers = (replace(LAYER, facts={**LAYER.facts, **facts}),)
    return replace(PASSPORT, marking=replace(PASSPORT.marking, layers=layers))


def with_ledger(**changes: Any) -> Passport:
    return replace(PASSPORT, ledger=replace(PASSPORT.ledger, **changes))


BROKEN = BreakGlassFacts(UUID(int=30), UUID(int=31), UUID(int=32), AT)


def shortened(glass: BreakGlassFacts | None, recorded: UUID | None = BROKEN.id) -> Passport:
    """Return a passport without a decision, whose entry tells of that break-glass."""
    facts = {} if recorded is None else {"break_glass_id": str(recorded)}
    return replace(
        with_ledger(entry=entry(facts=facts)),
        decisions=(),
        approval=replace(PASSPORT.approval, break_glass=glass),
    )


def with_conditions(*conditions: ConditionFacts, verdict: str = "approve_with_changes") -> Passport:
    """Return a passport whose first decision has this verdict, with these conditions."""
    first, second = PASSPORT.decisions
    return replace(
        PASSPORT,
        decisions=(replace(first, verdict=verdict), second),
        approval=replace(PASSPORT.approval, conditions=conditions),
    )


def with_stage(**changes: Any) -> Passport:
    stages = (replace(PASSPORT.approval.stages[0], **changes),)
    return replace(PASSPORT, approval=replace(PASSPORT.approval, stages=stages))


MET = ConditionFacts(PASSPORT.decisions[0].id, UUID(int=40))
CONFLICTS: list[tuple[str, Passport]] = [
    ("conditions are not", with_conditions()),
    ("conditions are not", with_conditions(MET, verdict="approve")),
    ("conditions are not", with_conditions(MET, MET)),
    ("conditions are not", with_conditions(replace(MET, decision_id=PASSPORT.decisions[1].id))),
    ("others than it names", with_stage(role=None)),
    ("others than it names", with_stage(people=2)),
    ("others than it names", with_stage(asks="people", role=None)),
    ("others than it names", with_stage(asks="group")),
    ("nobody decided", replace(PASSPORT, decisions=())),
    ("another break-glass", shortened(BROKEN, recorded=None)),
    ("another break-glass", shortened(BROKEN, recorded=UUID(int=33))),
    ("another break-glass", replace(shortened(None), decisions=PASSPORT.decisions)),
    ("one person alone", shortened(replace(BROKEN, confirmed_by=BROKEN.opened_by))),
    (
        "last step made other bytes",
        replace(PASSPORT, asset=replace(PASSPORT.asset, steps=PASSPORT.asset.steps[:1])),
    ),
    ("not an approval", with_ledger(entry=entry(event="review.case.rejected"))),
    ("approves other bytes", with_ledger(entry=entry(sha256=OTHER))),
    ("approves other bytes", with_ledger(entry=canonical_json({"event": "review.case.approved"}))),
    ("another ledger", with_ledger(origin="elsewhere")),
    ("does not cover", with_ledger(leaf_index=9)),
    (
        "profiles differ",
        replace(PASSPORT, marking=replace(PASSPORT.marking, profile="other@1")),
    ),
    (
        "decision was on other bytes",
        replace(
            PASSPORT,
            decisions=(PASSPORT.decisions[0], replace(PASSPORT.decisions[1], seen_sha256=OTHER)),
        ),
    ),
    (
        "listed twice",
        replace(PASSPORT, marking=replace(PASSPORT.marking, layers=(LAYER, LAYER))),
    ),
    (
        "carry no mark",
        replace(PASSPORT, release=replace(PASSPORT.release, marked_sha256=REVIEWED)),
    ),
    ("another reviewed_sha256", with_layer(reviewed_sha256=OTHER)),
    ("another ledger_leaf_index", with_layer(ledger_leaf_index=4)),
    ("another approval_id", with_layer(approval_id=str(CASE))),
    ("another case_id", with_layer(case_id=str(APPROVAL))),
]


class TestAgreement:
    @pytest.mark.parametrize(("conflict", "passport"), CONFLICTS)
    def test_is_demanded_of_every_part(self, conflict: str, passport: Passport) -> None:
        with pytest.raises(PassportInvalid, match=conflict):
            document.write(passport)

    @pytest.mark.parametrize(
        "checkpoint", ["x", f"{ORIGIN}\n", f"{ORIGIN}\n-9\n", f"{ORIGIN}\n²\n"]
    )
    def test_needs_a_readable_checkpoint(self, checkpoint: str) -> None:
        with pytest.raises(PassportInvalid, match="checkpoint"):
            document.write(with_ledger(checkpoint=checkpoint))

    @pytest.mark.parametrize("leaf", [b"not JSON", b"[]", b'{"event":', b"[" * 5_000])
    def test_needs_a_readable_ledger_entry(self, leaf: bytes) -> None:
        with pytest.raises(PassportInvalid):
            document.write(with_ledger(entry=leaf))


class TestRead:
    def test_gives_what_was_written(self) -> None:
        assert document.read(document.write(PASSPORT)) == written()

    @pytest.mark.parametrize("met", [MET, replace(MET, confirmed_by=None)])
    def test_tells_who_confirmed_a_condition(self, met: ConditionFacts) -> None:
        found = document.read(document.write(with_conditions(met)))
        confirmed_by = None if met.confirmed_by is None else str(met.confirmed_by)
        assert found["approval"]["conditions"] == [
            {"decision_id": str(met.decision_id), "confirmed_by": confirmed_by}
        ]

    def test_tells_whom_each_stage_asked(self) -> None:
        told = document.read(document.write(PASSPORT))["approval"]["stages"]
        assert [(s["asks"], s["role"], s["people"]) for s in told] == [
            ("role", "brand_reviewer", None),
            ("people", None, 3),
            ("group", None, None),
        ]

    def test_tells_of_an_emergency(self) -> None:
        found = document.read(document.write(shortened(BROKEN)))
        assert found["decisions"] == []
        assert found["approval"]["break_glass"] == {
            "id": str(BROKEN.id),
            "opened_by": str(BROKEN.opened_by),
            "confirmed_by": str(BROKEN.confirmed_by),
            "used_at": "2026-08-02T12:30:00.000000Z",
        }

    @pytest.mark.parametrize(
        "data", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"schema_version":1}']
    )
    def test_refuses_what_is_no_passport(self, data: bytes) -> None:
        with pytest.raises(PassportInvalid):
            document.read(data)

    @pytest.mark.parametrize("name", sorted(written()))
    def test_refuses_a_passport_that_lacks_a_part(self, name: str) -> None:
        found = written()
        del found[name]
        with pytest.raises(PassportInvalid):
            document.read(canonical_json(found))

    def test_refuses_a_part_that_nobody_knows(self) -> None:
        with pytest.raises(PassportInvalid):
            document.read(canonical_json({**written(), "extra": 1}))

    def test_refuses_another_schema_version(self) -> None:
        with pytest.raises(PassportInvalid) as refusal:
            document.read(canonical_json({**written(), "schema_version": 2}))
        assert refusal.value.pointer == "/schema_version"

    def test_refuses_another_spelling_of_the_same_facts(self) -> None:
        data = document.write(PASSPORT)
        for spelled in (
            json.dumps(written()).encode(),
            data + b"\n",
            data.replace(b'"schema_version":1', b'"schema_version":1.0'),
            data.replace("ü".encode(), b"\\u00fc"),
        ):
            assert spelled != data
            with pytest.raises(PassportInvalid, match="canonical"):
                document.read(spelled)

    def test_refuses_a_name_that_is_given_twice(self) -> None:
        data = document.write(PASSPORT)
        doubled = data.replace(b'"schema_version":1', b'"schema_version":1,"schema_version":1')
        with pytest.raises(PassportInvalid):
            document.read(doubled)

    def test_demands_agreement_of_what_others_wrote(self) -> None:
        found = written()
        found["decisions"][0]["seen_sha256"] = OTHER
        with pytest.raises(PassportInvalid, match="other bytes"):
            document.read(canonical_json(found))

    @given(data=st.binary(max_size=300))
    def test_meets_noise_with_a_named_error(self, data: bytes) -> None:
        with pytest.raises(PassportInvalid):
            document.read(data)


class TestSchema:
    def test_is_a_valid_schema(self) -> None:
        Draft202012Validator.check_schema(dict(document.schema()))

    def test_names_its_version(self) -> None:
        assert document.schema()["$id"] == f"urn:imprimatur:passport:{document.SCHEMA_VERSION}"

    def test_closes_every_object_that_has_named_parts(self) -> None:
        def objects(node: object) -> list[dict[str, Any]]:
            if isinstance(node, dict):
                here = [node] if "properties" in node and "type" in node else []
                return here + [found for value in node.values() for found in objects(value)]
            return []

        found = objects(document.schema())
        assert len(found) > 12
        for node in found:
            assert node["additionalProperties"] is False
            assert set(node["required"]) == set(node["properties"])
