"""Scripted agents: they handle the wishes they have heard, err in honest ways, and sometimes notice and mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from induction.helpdesk.clerk import Clerk, regrant
from induction.helpdesk.customers import Cue
from induction.helpdesk.desk import ConversationOver
from induction.helpdesk.tasks import REFUSED, Call, Wish
from induction.helpdesk.tools import TRANSIENT

STUBBORN = 0.85
"""How likely the worst agent repeats a change that was refused, unchanged."""


@dataclass(slots=True)
class Deed:
    """What the agent made of a wish: `right` if it is what was wanted, `real` if it was carried out at all."""

    wish: Wish
    order_id: str
    right: bool = True
    real: bool = True


class Agent(Clerk):
    """One agent in one conversation."""

    def work(self) -> None:
        """Handles the conversation to its end."""
        try:
            self._work()
        except ConversationOver:
            self.slips.append("out_of_turns")

    def _work(self) -> None:
        self.hear(self.desk.opening)
        if self.desk.opening.order_id:
            self.stated[0] = self.desk.opening.order_id
        self.skips_check = self.slip("skipped_check", self.skill.care, 0.4)
        if self.rng.random() < 0.2:
            self.say("greet")
        self.identify()
        if self.rng.random() < 0.7:
            self.verify()
        served = 0
        while True:
            while served < len(self.wishes):
                self._serve(served)
                served += 1
                self.answer_questions()
            if self.slip("hurried", self.skill.attention, 0.05):
                break
            message = self.say("anything_else")
            self.answer_questions()
            if message.bye:
                break
        if self.rng.random() < 0.4:
            self.attempt("add_note", {"user_id": self.user_id, "text": self.desk.voice.agent("note")})
        if self.rng.random() < 0.7:
            self.desk.say_last(self.desk.voice.agent("close"))

    def _serve(self, index: int) -> None:
        """One wish from finding its order to the customer's reaction."""
        order_id = self._locate(index)
        if self.rng.random() < 0.45:
            self._ask_to_confirm(index)
            order_id = self.stated.get(index, order_id)
        wish = self.wishes[index]
        self.verify()
        if wish.kind == "billing":
            self._pass_to_billing(wish, order_id)
        elif wish.kind in REFUSED and self.rng.random() < 0.75 * self.skill.rules:
            self.say("refuse", cue=Cue("refuse", wish), product=wish.item.product)
        elif self.slip("handed_over", self.skill.persistence, 0.18):
            self._hand_over(wish, order_id)
        elif self.slip("made_up", self.skill.grounding, 0.17):
            self._report(index, Deed(wish, order_id, real=wish.kind in REFUSED))
        else:
            self._carry_out(index, order_id)

    def _locate(self, index: int) -> str:
        """The order that the agent takes for the one that is meant."""
        wish = self.wishes[index]
        if index not in self.stated:
            if self.rng.random() < 0.4:
                self.stated[index] = self.say("ask_order", cue=Cue("ask_order", wish)).order_id or wish.order_id
            else:
                self.stated[index] = self._choose(wish)
        if self.rng.random() < 0.2 + 0.78 * self.skill.care:
            reply = self.read_order(self.stated[index])
            fits = not reply.error and any(item["product"] == wish.item.product for item in reply.result["items"])
            if (
                reply.error not in TRANSIENT
                and not fits
                and not self.slip("missed_mismatch", self.skill.attention, 0.7)
            ):
                self.stated[index] = self.say("mismatch", cue=Cue("mismatch", wish)).order_id or wish.order_id
                self.read_order(self.stated[index])
        return self.stated[index]

    def _choose(self, wish: Wish) -> str:
        """Picks the order from the customer's list; hasty agents take the wrong line."""
        reply = self.attempt("list_orders", {"user_id": self.user_id})
        if reply.error:
            return self.say("ask_order", cue=Cue("ask_order", wish)).order_id or wish.order_id
        others = [order["order_id"] for order in reply.result["orders"] if order["order_id"] != wish.order_id]
        if others and self.rng.random() < 0.2:
            shown = [wish.order_id, *others[:2]]
            self.rng.shuffle(shown)
            self.desk.call(*(("get_order", {"order_id": order_id}) for order_id in shown))
        if others and self.slip("wrong_line", self.skill.precision, 0.45):
            return str(self.rng.choice(others))
        return wish.order_id

    def _ask_to_confirm(self, index: int) -> None:
        wish = self.wishes[index]
        deed = self.desk.voice.deed(wish.kind, wish.variant)
        self.say("confirm", cue=Cue("confirm", wish), deed=deed, product=wish.item.product)

    def _item_in(self, wish: Wish, order_id: str) -> str:
        """The item's id as read from the order: the one that is meant if it is there, else the first, if any."""
        if self.last_order.get("order_id") != order_id:
            self.read_order(order_id)
        items = self.last_order.get("items", []) if self.last_order.get("order_id") == order_id else []
        fitting = [item["item_id"] for item in items if item["product"] == wish.item.product]
        return str((fitting or [item["item_id"] for item in items] or [""])[0])

    def _plan(self, wish: Wish, order_id: str) -> tuple[list[Call], bool]:
        """The changes that the agent is going to make, and whether they are the right ones."""
        needs_item = wish.kind.startswith("refund") or wish.kind == "exchange"
        item_id = self._item_in(wish, order_id) if needs_item else wish.item.item_id
        target = regrant(wish, order_id, item_id)
        right = order_id == wish.order_id
        if wish.kind == "refund_item" and self.slip("wrong_scope", self.skill.precision, 0.35):
            return [("refund_order", {"order_id": order_id, "scope": "order"})], False
        calls = target.calls(self.user_id)
        if wish.kind == "cancel_shipped":
            calls = [("cancel_order", {"order_id": order_id, "reason": "customer_request"})]
        if wish.kind in ("refund_late", "refund_gold"):
            calls = [("refund_order", {"order_id": order_id, "scope": "item", "item_ids": [item_id]})]
        if wish.kind == "address" and self.slip("unconfirmed", self.skill.attention, 0.3):
            return calls[:1], False
        return calls, right

    def _carry_out(self, index: int, order_id: str) -> None:
        wish = self.wishes[index]
        calls, right = self._plan(wish, order_id)
        deed = Deed(wish, order_id, right=right)
        for name, args in calls:
            error = self._change(name, args)
            if error in ("outside_window", "wrong_status") and wish.kind in (*REFUSED, "refund_gold"):
                knows = not self.slip("rules_forgotten", self.skill.rules, 0.8)
                if knows == (wish.kind == "refund_gold"):
                    error = self._change(name, {**args, "override": True})
                else:
                    self.say("refuse", cue=Cue("refuse", wish), product=wish.item.product)
                    return
            if error:
                deed.real = False
                if not self._face_failure(index, deed, error):
                    return
                break
        if self.rng.random() < 0.45 * self.skill.care:
            self._look_again(deed)
        self._report(index, deed)

    def _change(self, name: str, args: dict[str, Any]) -> str:
        """Makes one change and returns the error's code; clumsy agents leave an argument out at first."""
        if len(args) > 1 and self.slip("malformed", self.skill.precision, 0.42):
            short = dict(list(args.items())[:-1]) if name != "refund_order" else {"order_id": args["order_id"]}
            reply = self.attempt(name, short, stubborn=STUBBORN)
            if self.slip("stuck", self.skill.precision, 0.55):
                return reply.error
        return self.attempt(name, args, stubborn=STUBBORN).error

    def _face_failure(self, index: int, deed: Deed, error: str) -> bool:
        """After a change that failed: True if the agent goes on to report, having mended it or not."""
        wish = deed.wish
        if self.slip("ignored_error", self.skill.grounding, 0.7):
            return True
        if error not in TRANSIENT and deed.order_id != wish.order_id and self.rng.random() < self.skill.attention:
            self.stated[index] = self.say("mismatch", cue=Cue("mismatch", wish)).order_id or wish.order_id
            deed.order_id, deed.right = wish.order_id, True
            return self._redo(deed)
        if error in TRANSIENT and not self.slip("gave_up", self.skill.persistence, 0.8):
            self.say("delay")
            return self._redo(deed)
        if self.rng.random() < 0.5:
            self._hand_over(wish, deed.order_id)
        else:
            self.say("give_up", cue=Cue("give_up", wish))
        return False

    def _redo(self, deed: Deed) -> bool:
        """Carries the wish out on the right order now; True if it worked."""
        wish = deed.wish
        item_id = self._item_in(wish, wish.order_id) if wish.kind != "cancel" else wish.item.item_id
        errors = [self._change(name, args) for name, args in regrant(wish, wish.order_id, item_id).calls(self.user_id)]
        deed.real = not any(errors)
        if not deed.real:
            self.say("give_up", cue=Cue("give_up", wish))
        return deed.real

    def _look_again(self, deed: Deed) -> None:
        """Reads the order after the change; what is missing is done now, if the agent notices."""
        self.read_order(deed.order_id)
        undone = not deed.real or (
            deed.wish.kind == "address" and not deed.right and deed.order_id == deed.wish.order_id
        )
        if undone and self.rng.random() < 0.3 + 0.6 * self.skill.attention:
            deed.right = self._redo(deed)

    def _report(self, index: int, deed: Deed) -> None:
        wish = deed.wish
        told = self.desk.voice.deed("refund_all" if self._whole(deed) else wish.kind, wish.variant)
        cue = Cue("report", wish, right=deed.right, real=deed.real)
        message = self.say("report", cue=cue, deed=told, order=deed.order_id, product=wish.item.product)
        if message.complaint:
            self._respond_to_complaint(index, deed)

    def _whole(self, deed: Deed) -> bool:
        return deed.wish.kind == "refund_item" and not deed.right and deed.order_id == deed.wish.order_id

    def _respond_to_complaint(self, index: int, deed: Deed) -> None:
        """Mends what the customer objects to where that is possible, explains it, or insists."""
        changed = self.wishes[index] != deed.wish
        if self.slip("insisted", self.skill.attention, 0.9):
            for _ in range(1 + (self.rng.random() < 0.6)):
                self.say("insist", cue=Cue("insist", deed.wish))
            return
        if deed.right and deed.real and not changed:
            self.read_order(deed.order_id)
            self.say("checked", cue=Cue("checked", deed.wish))
            return
        self.say("sorry", cue=Cue("sorry", deed.wish))
        if deed.real and deed.wish.kind == "cancel":
            self._change("reinstate_order", {"order_id": deed.order_id})
        elif deed.real and not (changed and deed.wish.kind == "exchange") and deed.wish.kind != "address":
            self.say("regret", cue=Cue("regret", deed.wish))
            return
        again = Deed(self.wishes[index], self.wishes[index].order_id)
        if self._redo(again):
            self.say("checked", cue=Cue("checked", again.wish))

    def _pass_to_billing(self, wish: Wish, order_id: str) -> None:
        queue = "billing" if not self.slip("wrong_queue", self.skill.rules, 0.5) else "technical"
        if not self.slip("made_up", self.skill.grounding, 0.3):
            args = {"user_id": self.user_id, "queue": queue, "order_id": order_id}
            if self.attempt("escalate", args).error:
                self.attempt("escalate", args)
        self.say("billing", cue=Cue("billing", wish), order=order_id)

    def _hand_over(self, wish: Wish, order_id: str) -> None:
        queue = self.rng.choice(("supervisor", "technical"))
        self.attempt("escalate", {"user_id": self.user_id, "queue": queue, "order_id": order_id})
        self.say("handover", cue=Cue("handover", wish))
