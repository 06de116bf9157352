"""What every agent does at the desk: listen, call tools and try again, find and verify customers, answer questions."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from induction.helpdesk.customers import Cue, Message
from induction.helpdesk.desk import Desk
from induction.helpdesk.skills import Skill
from induction.helpdesk.tasks import Task, Wish
from induction.helpdesk.tools import TRANSIENT, Result, ToolReply


class Clerk:
    """The habits of an agent.

    Wishes reach it only through messages; what it misses there it does not know. It reads the shop only through tools.
    """

    def __init__(self, desk: Desk, task: Task, skill: Skill, rng: Random) -> None:
        self.desk, self.skill, self.rng, self.task = desk, skill, rng, task
        self.slips: list[str] = []
        self.wishes = [task.first_wish or task.wishes[0]]
        self.stated: dict[int, str] = {}
        self.infos: list[str] = []
        self.user_id = ""
        self.check_over = False
        self.skips_check = False
        self.contact = self.identity = False
        self.last_order: Result = {}

    def slip(self, name: str, knob: float, rate: float) -> bool:
        """True if the agent makes this mistake now: the less likely, the higher the knob."""
        if self.rng.random() < rate * (1.0 - knob):
            self.slips.append(name)
            return True
        return False

    def say(self, kind: str, *, cue: Cue | None = None, **slots: str) -> Message:
        """Says one of the wordings of `kind` and takes in the customer's answer."""
        message = self.desk.say(cue or Cue(kind), self.desk.voice.agent(kind, **slots))
        self.hear(message)
        return message

    def hear(self, message: Message) -> None:
        """Takes in a message; corrections, changes of mind and further wishes may be missed."""
        self.contact |= message.contact
        self.identity |= message.identity
        if message.info:
            self.infos.append(message.info)
        if message.wish is not None and message.changed:
            if not self.slip("missed_change", self.skill.attention, 0.75):
                self.wishes[0] = message.wish
        elif message.wish is not None:
            if message.wish not in self.wishes and not self.slip("missed_wish", self.skill.attention, 0.4):
                self.wishes.append(message.wish)
                if message.second_order_id:
                    self.stated[len(self.wishes) - 1] = message.second_order_id
        elif message.corrected and not self.slip("missed_correction", self.skill.attention, 0.75):
            self.stated[0] = message.order_id

    def attempt(self, name: str, args: dict[str, Any], *, stubborn: float = 0.0) -> ToolReply:
        """The last reply to the call, made again after passing trouble, by stubborn agents after a clear no as well."""
        reply = self.desk.call((name, args))[0]
        tries = 1
        while reply.error and tries < 5:
            if reply.error in TRANSIENT:
                again = self.rng.random() < 0.3 + 0.68 * self.skill.persistence
            else:
                again = self.rng.random() < stubborn * (1.0 - self.skill.rules)
            if not again:
                break
            if reply.error in TRANSIENT and self.rng.random() < 0.2:
                self.say("delay")
            reply = self.desk.call((name, args))[0]
            tries += 1
        return reply

    def identify(self) -> None:
        """Finds the account, by email as a rule; a mistyped address is noticed from the error and put right."""
        user = self.task.user
        if not self.contact:
            self.say("ask_contact")
        if self.slip("typo", self.skill.precision, 0.45):
            wrong = {"email": user.email.replace("@", ".")} if self.rng.random() < 0.5 else {"mail": user.email}
            self.attempt("find_user", wrong, stubborn=0.6)
        reply = self.attempt("find_user", {"email": user.email})
        if reply.error:
            reply = self.attempt("find_user", {"email": user.email})
        self.user_id = str(reply.result.get("user_id", ""))
        if self.rng.random() < 0.3 * (1.0 - self.skill.care):
            self.attempt("find_user", {"email": user.email})

    def verify(self) -> None:
        """Checks the identity, unless this agent does without or gives the check up."""
        if self.check_over or self.skips_check:
            return
        self.check_over = True
        if not self.identity:
            self.say("ask_identity")
        args = {"user_id": self.user_id, "zip": self.desk.stated_postcode}
        reply = self.attempt("verify_identity", args, stubborn=0.5)
        if reply.error == "identity_mismatch" and not self.slip("ignored_mismatch", self.skill.care, 0.7):
            self.say("ask_birthday")
            args = {"user_id": self.user_id, "birth_date": self.task.user.birth_date}
            reply = self.attempt("verify_identity", args)
        if reply.error in TRANSIENT and not self.slip("unverified", self.skill.care, 0.6):
            self.attempt("verify_identity", args)

    def read_order(self, order_id: str) -> ToolReply:
        """Opens an order, now and then twice or together with the policy."""
        if self.rng.random() < 0.5 * self.skill.rules:
            topic = self.rng.choice(("cancel", "refund", "address", "exchange", "billing"))
            reply = self.desk.call(("get_order", {"order_id": order_id}), ("search_policy", {"topic": topic}))[0]
            if reply.error in TRANSIENT:
                reply = self.attempt("get_order", {"order_id": order_id})
        else:
            reply = self.attempt("get_order", {"order_id": order_id}, stubborn=0.6)
        if not reply.error and self.rng.random() < 0.25 * (1.0 - self.skill.care):
            reply = self.attempt("get_order", {"order_id": order_id})
        if not reply.error:
            self.last_order = reply.result
        return reply

    def answer_questions(self) -> None:
        """Answers what the customer asked beside their wishes, with or without looking it up."""
        while self.infos:
            info = self.infos.pop(0)
            wish = self.wishes[0]
            lookup: dict[str, tuple[str, dict[str, Any]]] = {
                "status": ("get_order", {"order_id": wish.order_id}),
                "policy": ("search_policy", {"topic": "refund"}),
                "stock": ("check_stock", {"product": wish.item.product}),
                "list": ("list_orders", {"user_id": self.user_id}),
            }
            if self.rng.random() < 0.7:
                reply = self.attempt(*lookup[info])
                status = str(reply.result.get("status", "open"))
                self.say("info.none" if reply.error else f"info.{info}", product=wish.item.product, status=status)
            else:
                self.say("info.none")


def regrant(wish: Wish, order_id: str, item_id: str) -> Wish:
    """The wish as an agent would carry it out that takes `order_id` and `item_id` for the ones that are meant."""
    return replace(wish, order_id=order_id, item=replace(wish.item, item_id=item_id))
