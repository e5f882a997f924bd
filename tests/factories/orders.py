"""What an order needs, made through the services: a released template, a model, quota, people."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from imprimatur.workflow import backtest, order

from generation.jobs.records import JobRecord
from generation.registry.selectors import ProfileRecord
from governance.kernel.actors import Actor
from governance.quota import services as quota
from governance.sealing import services as sealing
from templates.brands import services as brands
from templates.prompts.records import VersionRecord
from tests.factories import jobs, templates
from tests.factories.quota import PERIOD, platform_admin
from tests.factories.review import NOW

VARIABLES = {"object": "mug", "color": "red"}


@dataclass(frozen=True)
class Desk:
    """One brand that takes orders, and who may place them."""

    studio: templates.Studio
    version: VersionRecord
    profile: ProfileRecord

    @property
    def brand_id(self) -> UUID:
        """Return the brand."""
        return self.studio.brand.id

    @property
    def marketer(self) -> Actor:
        """Return who orders."""
        return self.studio.team.requester

    def place(
        self, actor: Actor | None = None, *, with_variables: Any = None, **changes: Any
    ) -> JobRecord:
        """Place an order of one image through the workflow, with `changes` to its arguments."""
        asked: dict[str, Any] = {
            "template_id": self.version.template_id,
            "variables": VARIABLES | (with_variables or {}),
            "variants": 1,
            "idempotency_key": uuid4().hex,
            "now": NOW,
        }
        return order.place(actor=actor or self.marketer, **(asked | changes))


def desk(slug: str = "northwind", *, images: int = 5, **content: Any) -> Desk:
    """Make a brand that takes orders for up to `images` images of one person.

    The person's key is made now, as it is for everybody who has an account.
    """
    studio = templates.studio(slug)
    scoring(studio)
    version = studio.release(studio.approve(studio.submit(studio.draft(**content))))
    made = Desk(studio, version, jobs.profile(slug=version.content["profiles"][0]))
    grants: tuple[tuple[str, UUID, UUID | None, int], ...] = (
        ("user", made.marketer.id, made.brand_id, images),
        ("brand", made.brand_id, made.brand_id, 100),
        ("model", made.profile.id, None, 100),
    )
    for kind, holder_id, brand_id, amount in grants:
        quota.grant(
            actor=platform_admin(),
            holder_kind=kind,
            holder_id=holder_id,
            brand_id=brand_id,
            period=PERIOD,
            amount=amount,
            now=NOW,
        )
    sealing.seal(person_id=made.marketer.id, text="a name", purpose="accounts.name")
    return made


def scoring(studio: templates.Studio) -> None:
    """Put a scoring policy in force that only advises."""
    policy = brands.propose_scoring_policy(
        actor=studio.team.manager,
        brand_id=studio.brand.id,
        advisory=True,
        thresholds=jobs.SHARPNESS,
        now=NOW,
    )
    backtest.run(actor=studio.team.manager, policy_id=policy.id, now=NOW)
    brands.approve_scoring_policy(
        actor=studio.team.other_manager, policy_id=policy.id, sha256=policy.sha256, now=NOW
    )
