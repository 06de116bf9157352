"""Scripted customers: they know what they want, answer what they are asked, and bring things up in their own time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from induction.helpdesk.tasks import REFUSED, Task, Wish
from induction.helpdesk.voice import Voice

INFO = ("status", "policy", "stock", "list")
"""Questions that change nothing; they make successful runs longer too."""

GRUMBLES = {
    "insist": 0.9,
    "handover": 0.75,
    "regret": 0.7,
    "give_up": 0.7,
    "refuse": 0.25,
    "checked": 0.1,
    "delay": 0.06,
}
"""How often a customer answers such a message with displeasure: often after a failure, at times without one."""


@dataclass(frozen=True, slots=True)
class Cue:
    """What the agent's message asks of the customer, beside its words.

    `kind` names the utterance. For a report, `right` says whether what was reported fits the wish and `real` whether it
    was done at all: a customer may notice both.
    """

    kind: str
    wish: Wish | None = None
    right: bool = True
    real: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """A customer's message and what an attentive reader learns from it."""

    text: str
    contact: bool = False
    identity: bool = False
    order_id: str = ""
    second_order_id: str = ""
    corrected: bool = False
    wish: Wish | None = None
    changed: bool = False
    info: str = ""
    complaint: bool = False
    bye: bool = False


class Customer:
    """One customer in one conversation."""

    def __init__(self, task: Task, rng: Random, voice: Voice) -> None:
        self._task, self._rng, self._voice = task, rng, voice
        self._correction_due = bool(task.wrong_order_id)
        self._change_due = task.first_wish is not None
        self._second_due = len(task.wishes) > 1
        self._second_told = False
        self._infos = [rng.choice(INFO) for _ in range(rng.choices((0, 1, 2, 3), weights=(45, 33, 15, 7))[0])]
        self._gives_contact = rng.random() < 0.75
        self._gives_identity = rng.random() < 0.45
        self._old_postcode = rng.random() < 0.15
        self._misreads = rng.random() < 0.12
        self._complaints = 0
        self._dealt_with: set[str] = set()
        self._reminded = False
        self._unhappy = False

    def opening(self) -> Message:
        """The first message: a wish, perhaps with number, email, postcode and a second wish."""
        task = self._task
        wish = task.first_wish or task.wishes[0]
        number = (task.wrong_order_id or wish.order_id) if task.knows_number else ""
        parts = [self._voice.customer("first", wish=self._describe(wish, number))]
        if self._second_due and self._rng.random() < 0.5:
            self._second_due, self._second_told = False, True
            second = task.wishes[1]
            parts.append(self._voice.customer("second", wish=self._describe(second, second.order_id)))
        if self._gives_contact:
            parts.append(self._voice.customer("contact", email=task.user.email))
        if self._gives_identity:
            parts.append(self._state_postcode())
        return Message(
            " ".join(parts),
            contact=self._gives_contact,
            identity=self._gives_identity,
            order_id=number,
            second_order_id=task.wishes[1].order_id if self._second_told else "",
            wish=task.wishes[1] if self._second_told else None,
        )

    def reply(self, cue: Cue) -> Message:
        """The answer to the agent's message, with at most one thing brought up unasked."""
        if cue.wish is not None and cue.kind in ("report", "refuse", "give_up", "handover", "billing"):
            self._dealt_with.add(cue.wish.order_id)
            self._unhappy &= not self._reminded
        displeased = self._displeasure(cue)
        if self._rng.random() < displeased**2:
            self._unhappy = True
        if cue.kind == "report":
            return self._react(cue)
        if cue.kind == "anything_else":
            if self._unhappy and self._rng.random() < 0.7:
                self._unhappy = False
                return Message(self._voice.customer("grumble"))
            return self._bring_up(sure=True) or Message(self._voice.customer("bye"), bye=True)
        answer = self._answer(cue)
        return self._interject(cue, answer) or answer

    def _answer(self, cue: Cue) -> Message:
        task, voice = self._task, self._voice
        if cue.kind == "ask_contact":
            return Message(voice.customer("contact", email=task.user.email), contact=True)
        if cue.kind == "ask_identity":
            return Message(self._state_postcode(), identity=True)
        if cue.kind == "ask_birthday":
            self._old_postcode = False
            return Message(voice.customer("birthday", birth=task.user.birth_date), identity=True)
        if cue.kind in ("ask_order", "mismatch") and cue.wish is not None:
            if cue.kind == "ask_order" and self._correction_due and self._rng.random() < 0.5:
                return Message(voice.customer("number", order=task.wrong_order_id), order_id=task.wrong_order_id)
            if cue.wish.order_id == task.wishes[0].order_id:
                self._correction_due = False
            return Message(voice.customer("number", order=cue.wish.order_id), order_id=cue.wish.order_id)
        if cue.kind == "confirm":
            return Message(voice.customer("yes"))
        if self._rng.random() < self._displeasure(cue):
            return Message(voice.customer("grumble"))
        return Message(
            voice.customer(
                {"refuse": "sad", "regret": "sad", "give_up": "sad", "checked": "fine"}.get(cue.kind, "wait")
            )
        )

    def _interject(self, cue: Cue, answer: Message) -> Message | None:
        """A correction or a change of mind, at the latest when asked to confirm; it replaces a mere yes."""
        sure = cue.kind == "confirm"
        lead = "" if sure else f"{answer.text} "
        if self._change_due and (sure or self._rng.random() < 0.5):
            self._change_due = False
            wish = self._task.wishes[0]
            text = self._voice.customer("change", wish=self._describe(wish, ""))
            return replace(answer, text=lead + text, wish=wish, changed=True)
        if self._correction_due and (sure or self._rng.random() < 0.45):
            self._correction_due = False
            order_id = self._task.wishes[0].order_id
            return replace(
                answer, text=lead + self._voice.customer("correct", order=order_id), order_id=order_id, corrected=True
            )
        if self._infos and self._rng.random() < 0.12:
            return replace(answer, text=f"{answer.text} {self._ask(info := self._infos.pop())}", info=info)
        return None

    def _react(self, cue: Cue) -> Message:
        """To a report: a complaint if something looks wrong (or is misread), else thanks, perhaps the next concern."""
        if self._change_due:
            self._change_due = False
            wish = self._task.wishes[0]
            text = self._voice.customer("change", wish=self._describe(wish, ""))
            return Message(text, wish=wish, changed=True, complaint=True)
        right = cue.right and not self._is_outdated(cue.wish)
        odds = 0.9 if not right else 0.85 if not cue.real else 0.3 if self._misreads else 0.0
        if self._complaints < 2 and self._rng.random() < odds:
            self._complaints += 1
            self._misreads = False
            key = "wrong" if (not right or (cue.real and self._rng.random() < 0.5)) else "unseen"
            return Message(self._voice.customer(key), complaint=True)
        return self._bring_up(sure=False) or Message(self._voice.customer("fine"))

    def _displeasure(self, cue: Cue) -> float:
        """The chance that the message displeases; being refused what one is entitled to annoys most people."""
        if cue.kind == "refuse" and cue.wish is not None and cue.wish.kind not in REFUSED:
            return 0.85
        return GRUMBLES.get(cue.kind, 0.0)

    def _is_outdated(self, wish: Wish | None) -> bool:
        """True for a wish that the customer has since replaced by another."""
        return wish is not None and wish == self._task.first_wish and not self._change_due

    def _bring_up(self, *, sure: bool) -> Message | None:
        if self._second_due and (sure or self._rng.random() < 0.5):
            self._second_due = False
            second = self._task.wishes[1]
            number = second.order_id if self._rng.random() < 0.6 else ""
            text = self._voice.customer("second", wish=self._describe(second, number))
            self._second_told = True
            return Message(text, wish=second, second_order_id=number)
        if sure and self._second_told and not self._reminded and self._task.wishes[1].order_id not in self._dealt_with:
            self._reminded = self._unhappy = True
            if self._rng.random() < 0.8:
                second = self._task.wishes[1]
                return Message(self._voice.customer("remind", wish=self._describe(second, "")), wish=second)
        if self._infos and (sure or self._rng.random() < 0.5):
            return Message(self._ask(info := self._infos.pop()), info=info)
        return None

    def _ask(self, info: str) -> str:
        return self._voice.customer(f"info.{info}", product=self._task.wishes[0].item.product)

    def _state_postcode(self) -> str:
        return self._voice.customer("identity", zip=self.postcode())

    def postcode(self) -> str:
        """The postcode that this customer gives; sometimes that of their old home, which the shop does not know."""
        known = self._task.user.zip
        return known[::-1] if self._old_postcode and known != known[::-1] else known

    def _describe(self, wish: Wish, number: str) -> str:
        kind = {"cancel_shipped": "cancel", "refund_late": "refund_item", "refund_gold": "refund_item"}.get(
            wish.kind, wish.kind
        )
        order = f" {number}" if number else ""
        slots = {"product": wish.item.product, "variant": wish.variant, "address": ", ".join(wish.address)}
        return self._voice.customer(f"wish.{kind}", order=order, **slots)
