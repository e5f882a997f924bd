"""People who work while everything breaks: each asks again with the same key until it is told.

Everything goes through the REST API, as the portal's users and integrations would.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from imprimatur.config.demo.client import Person

from tests.chaos.history import History, Operation

# An operation that nobody acknowledged for so long stays `info`.
GIVE_UP_S = 90.0
AGAIN_S = 0.3
PAUSE_S = 1.0
VARIANTS = 2
REJECTED_SHARE = 0.1
# So many orders at once keep the workers busy, and the queue short enough to see a recovery.
MOST_ORDERS = 3
TEMPLATE = "hero_shot"
IN_PROGRESS = "request_in_progress"


@dataclass
class Office:
    """The people at work, and what they have said and heard."""

    base_url: str
    passwords: Mapping[str, str]
    history: History
    seed: int
    destination_id: str
    no_more_orders: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)
    _waiting: dict[str, Operation] = field(default_factory=dict)
    _threads: list[threading.Thread] = field(default_factory=list)
    _published: set[str] = field(default_factory=set)
    _decided: set[tuple[str, str]] = field(default_factory=set)

    def open(self) -> None:
        """Let everybody begin."""
        for name, work in (
            ("marta", self._order),
            ("marta", self._watch),
            ("bruno", self._decide),
            ("clara", self._decide),
            ("mona", self._publish),
        ):
            thread = threading.Thread(target=self._shift, args=(name, work), daemon=True, name=name)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Send everybody home."""
        self.over.set()
        for thread in self._threads:
            thread.join(GIVE_UP_S)

    def _shift(self, name: str, work: Callable[[Person, random.Random], None]) -> None:
        dice = random.Random(f"{self.seed}-{name}")
        person = self._sign_in(name)
        while person is not None and not self.over.wait(PAUSE_S):
            try:
                work(person, dice)
            except (httpx.HTTPError, RuntimeError, ValueError):
                # A read that failed is asked again in the next turn.
                continue

    def _sign_in(self, name: str) -> Person | None:
        while not self.over.wait(AGAIN_S):
            try:
                return Person.sign_in(self.base_url, name, self.passwords[name])
            except (httpx.HTTPError, RuntimeError, ValueError, TypeError):
                continue
        return None

    def _order(self, marta: Person, dice: random.Random) -> None:
        if self.no_more_orders.is_set() or len(self._waiting) >= MOST_ORDERS:
            return
        found = marta.get("templates")["items"]
        template = next(each for each in found if each["slug"] == TEMPLATE)
        operation = self.history.begin("marta", "order", str(uuid4()))
        body = {
            "template_id": template["id"],
            "variables": template["content"]["starter"],
            "variants": VARIANTS,
            "seed": dice.randrange(2**40),
        }
        answer = self._until_told(operation, marta, "jobs", body)
        if answer is not None:
            self.history.end(operation, "ok", job_id=answer["id"], variants=VARIANTS)
            self._waiting[answer["id"]] = self.history.begin("marta", "render", answer["id"])

    def _watch(self, marta: Person, _dice: random.Random) -> None:
        for job_id, operation in list(self._waiting.items()):
            if marta.get(f"jobs/{job_id}")["state"] == "done":
                self.history.end(operation, "ok")
                del self._waiting[job_id]

    def _decide(self, reviewer: Person, dice: random.Random) -> None:
        for case in reviewer.get("cases?decidable=true")["items"]:
            if self.over.is_set() or (reviewer.username, case["id"]) in self._decided:
                continue
            if case["subject"]["kind"] != "asset":
                continue
            # What is decided about is looked at first.
            reviewer.read(f"assets/{case['subject']['id']}/image")
            verdict = "reject" if dice.random() < REJECTED_SHARE else "approve"
            body: dict[str, Any] = {"verdict": verdict, "sha256": case["subject"]["sha256"]}
            checklist = reviewer.get(f"cases/{case['id']}").get("checklist") or []
            if checklist:
                body["checklist"] = {item["key"]: "yes" for item in checklist}
            if verdict == "reject":
                body["reason"] = "The product is not recognizable."
            operation = self.history.begin(reviewer.username, "decide", str(uuid4()))
            told = self._until_told(operation, reviewer, f"cases/{case['id']}/decisions", body)
            if told is not None:
                facts = {name: told[name] for name in ("case_id", "reviewer_id", "verdict")}
                self.history.end(operation, "ok", **facts)
                self._decided.add((reviewer.username, case["id"]))

    def _publish(self, manager: Person, _dice: random.Random) -> None:
        path = "releases"
        while path:
            page = manager.get(path)
            for release in page["items"]:
                if release["id"] in self._published or self.over.is_set():
                    continue
                operation = self.history.begin("mona", "publish", str(uuid4()))
                body = {"destination_id": self.destination_id}
                told = self._until_told(
                    operation, manager, f"releases/{release['id']}/publications", body
                )
                if told is not None:
                    self.history.end(operation, "ok", publication_id=told["id"])
                    self._published.add(release["id"])
            path = (page["next"] or "").partition("/api/v1/")[2]

    def _until_told(
        self, operation: Operation, person: Person, path: str, body: dict[str, Any]
    ) -> dict[str, Any] | None:
        """Send until it is acknowledged or refused; a refusal, or silence to the end, ends it."""
        until = time.monotonic() + GIVE_UP_S
        while time.monotonic() < until:
            try:
                status, answer = person.call("POST", path, body, key=operation.key)
            except (httpx.TransportError, ValueError):
                time.sleep(AGAIN_S)
                continue
            if status < httpx.codes.BAD_REQUEST:
                operation.facts["first_answer_s"] = round(time.monotonic() - operation.began, 3)
                return dict(answer)
            if status >= httpx.codes.INTERNAL_SERVER_ERROR or answer.get("code") == IN_PROGRESS:
                operation.facts.setdefault("statuses", []).append(status)
                time.sleep(AGAIN_S)
                continue
            self.history.end(operation, "fail", status=status, code=answer.get("code"))
            return None
        self.history.end(operation, "info")
        return None
