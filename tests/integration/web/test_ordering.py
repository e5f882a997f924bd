"""The order form: drawn from the schema, previewed, placed, refused with the reason."""

from decimal import Decimal
from html import unescape
from typing import Any

from django.db import transaction

from generation.jobs.models import GenerationJob, JobItem
from generation.registry import selectors as registry
from governance.kernel.clock import now
from governance.kernel.ids import uuid7
from governance.ledger.models import Entry
from governance.quota import selectors as quota_selectors
from governance.quota import services as quota
from governance.refusals.models import Refusal
from templates.brands import services as brands
from templates.brands.markets import Market
from tests.integration.web.world import World


def values(world: World, **changes: Any) -> dict[str, Any]:
    """Return what the form of the hero shot would send."""
    released = world.template().released
    assert released is not None
    starter = {f"v-{name}": value for name, value in released.content["starter"].items()}
    size = released.content["sizes"][0]
    return {
        **starter,
        "size": f"{size['width']}x{size['height']}",
        "variants": "2",
        "seed": "",
        "idempotency_key": "portal-test",
        **changes,
    }


def free_text(world: World) -> str:
    """Return the field of the hero shot that takes one's own words."""
    released = world.template().released
    assert released is not None
    declared = released.content["schema"]["properties"]
    return "v-" + next(name for name, each in declared.items() if "enum" not in each)


def leave_one(world: World) -> None:
    """Reserve what is left of the marketer's quota, but for one image."""
    at, released = now(), world.template().released
    assert released is not None
    profile_id = registry.current_profile(released.content["profiles"][0]).id
    holders = {"user_id": world.actor("marta").id, "brand_id": world.brand_id}
    account = quota_selectors.room(
        **holders, profile_id=profile_id, period=quota_selectors.period_of(at)
    )["user"]
    assert account is not None
    with transaction.atomic():
        quota.reserve(
            item_ids=[uuid7()],
            profile_id=profile_id,
            cost=account.available - 1,
            now=at,
            **holders,
        )


class TestForm:
    def test_has_a_field_for_every_variable_with_its_starter_value(self, world: World) -> None:
        page = world.client("marta").get(f"/templates/{world.template().id}/order/")
        text = unescape(page.content.decode())
        released = world.template().released
        assert released is not None
        for name, declared in released.content["schema"]["properties"].items():
            assert f'name="v-{name}"' in text
            assert declared.get("title", name.capitalize()) in text

    def test_shows_the_quota_that_is_left(self, world: World) -> None:
        page = world.client("marta").get(f"/templates/{world.template().id}/order/")
        assert "500 of 500 images" in page.content.decode()

    def test_of_an_unknown_template_is_not_found(self, world: World) -> None:
        answer = world.client("marta").get(f"/templates/{world.brand_id}/order/")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()


class TestPreview:
    def test_says_what_waits_and_invents_no_time(self, world: World) -> None:
        client, url = world.client("marta"), f"/templates/{world.template().id}/order/"
        assert "No image waits before yours." in client.get(url).content.decode()
        assert "Making one takes" not in client.get(url).content.decode()
        world.make(world.order(2))
        JobItem.objects.update(render_s=11.6)
        world.order(3)
        page = client.get(url).content.decode()
        assert "3 images wait before yours. Making one takes about 12 s." in page

    def test_says_what_an_order_takes_and_when_the_quota_is_too_small(
        self, world: World, settings: Any
    ) -> None:
        settings.PRICE_PER_GPU_SECOND = Decimal("0.0007")
        settings.HOSTED_PRICE_PER_IMAGE = Decimal("0.04")
        client, url = world.client("marta"), f"/templates/{world.template().id}/preview/"

        def shown() -> str:
            answer = client.post(url, values(world), headers={"HX-Request": "true"})
            return unescape(answer.content.decode())

        unknown = shown()
        assert "How long it will take is not known" in unknown
        assert "A hosted service would ask 0.08 EUR." in unknown
        assert "Images left afterwards: you 498, the brand 498, the model 498." in unknown
        assert "The quota is too small" not in unknown
        world.make(world.order(2))
        JobItem.objects.update(render_s=11.6)
        known = shown()
        assert "Takes about 23 s of the device's time." in known
        assert "Costs about 0.02 EUR here, 0.08 EUR at a hosted service." in known
        leave_one(world)
        assert "The quota is too small for this order" in shown()

    def test_is_a_fragment_for_htmx_and_a_page_without_script(self, world: World) -> None:
        client, url = world.client("marta"), f"/templates/{world.template().id}/preview/"
        fragment = client.post(url, values(world), headers={"HX-Request": "true"})
        page = client.post(url, values(world))
        assert "<html" not in fragment.content.decode()
        assert "<html" in page.content.decode()
        assert 'class="prompt"' in fragment.content.decode()
        assert "HX-Request" in page.headers["Vary"]

    def test_flags_what_the_rules_would_refuse_and_records_nothing(self, world: World) -> None:
        answer = world.client("marta").post(
            f"/templates/{world.template().id}/preview/",
            values(world, **{free_text(world): "cures headaches"}),
            headers={"HX-Request": "true"},
        )
        assert "This order would be refused" in answer.content.decode()
        assert not Refusal.objects.exists()


class TestOrder:
    def test_leads_to_its_contact_sheet(self, world: World) -> None:
        client = world.client("marta")
        answer = client.post(f"/templates/{world.template().id}/order/", values(world))
        job = GenerationJob.objects.get()
        assert answer.headers["Location"] == f"/orders/{job.id}/"
        assert job.items.count() == 2

    def test_sent_twice_is_one_order(self, world: World) -> None:
        client, url = world.client("marta"), f"/templates/{world.template().id}/order/"
        first, second = client.post(url, values(world)), client.post(url, values(world))
        assert first.headers["Location"] == second.headers["Location"]
        assert GenerationJob.objects.count() == 1

    def test_refused_by_a_rule_names_rule_reason_and_who_may_override(self, world: World) -> None:
        answer = world.client("marta").post(
            f"/templates/{world.template().id}/order/",
            values(world, **{free_text(world): "cures headaches"}),
        )
        refusal, text = Refusal.objects.get(), unescape(answer.content.decode())
        assert answer.status_code == 422
        assert refusal.reason in text
        assert str(refusal.id) in text
        assert "Compliance reviewer" in text
        assert 'value="cures headaches"' in text
        assert not GenerationJob.objects.exists()

    def test_with_bad_input_names_the_field_and_leaves_no_row(self, world: World) -> None:
        before = Entry.objects.count()
        for changes in (
            {"variants": "99"},
            {"size": "500x501"},
            {"seed": "-1"},
            {free_text(world): "x" * 1000},
            {free_text(world): "a (blue:1.5) thing"},
        ):
            answer = world.client("marta").post(
                f"/templates/{world.template().id}/order/", values(world, **changes)
            )
            field = next(iter(changes))
            assert answer.status_code == 400, changes
            assert f'id="id_{field}_error"' in answer.content.decode(), changes
        assert Entry.objects.count() == before
        assert not Refusal.objects.exists()

    def test_of_an_auditor_is_forbidden(self, world: World) -> None:
        answer = world.client("otto").post(
            f"/templates/{world.template().id}/order/", values(world)
        )
        assert answer.status_code == 403
        assert not GenerationJob.objects.exists()


class TestAMarket:
    def test_is_chosen_in_the_form_and_shown_with_the_order(self, world: World) -> None:
        brands.set_markets(
            actor=world.actor("ada"),
            brand_id=world.brand_id,
            markets=(Market("DE", ("de",)), Market("FR", ("fr",))),
            now=now(),
        )
        client, path = world.client("marta"), f"/templates/{world.template().id}/order/"
        page = client.get(path).content.decode()
        assert 'name="market" value="DE"' in page
        assert "FR · fr" in page
        answer = client.post(path, values(world, market="FR", variants="1"), follow=True)
        assert "· FR ·" in answer.content.decode()
        assert GenerationJob.objects.get().market == "FR"
        wrong = client.post(path, values(world, market="XX", idempotency_key="other"))
        assert wrong.status_code == 400


class TestRefusedWords:
    def test_are_marked_while_they_are_typed_and_nothing_is_recorded(self, world: World) -> None:
        client, template_id = world.client("marta"), world.template().id
        name = free_text(world)
        answer = client.post(
            f"/templates/{template_id}/preview/",
            values(world, **{name: "a b1ohazard sign"}),
            headers={"HX-Request": "true"},
        )
        text = unescape(answer.content.decode())
        assert text.count('<mark class="refused">b1ohazard</mark>') == 2
        assert f'href="#id_{name}"' in text
        assert "Compliance reviewer may override it" in text
        assert not Refusal.objects.exists()

    def test_are_shown_with_what_to_do_after_an_order_was_refused(self, world: World) -> None:
        answer = world.client("marta").post(
            f"/templates/{world.template().id}/order/",
            values(world, **{free_text(world): "a b1ohazard sign"}),
        )
        text = unescape(answer.content.decode())
        assert answer.status_code == 422
        assert '<mark class="refused">b1ohazard</mark>' in text
        assert "without “b1ohazard” and order again, or appeal." in text
