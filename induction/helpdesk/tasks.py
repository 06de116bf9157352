"""Tasks: what a customer wants, in which shop, and the calls that a faultless agent would make for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from induction.helpdesk.world import PRODUCTS, Item, Order, Row, Shop, User, build_address, take_serial

Call = tuple[str, dict[str, Any]]

KINDS = {
    "cancel": 20,
    "refund_item": 20,
    "refund_all": 8,
    "refund_gold": 5,
    "address": 18,
    "exchange": 14,
    "billing": 7,
    "cancel_shipped": 5,
    "refund_late": 5,
}
"""Kinds of wish with their weights; the last two cannot be granted, and the right handling changes nothing."""

REFUSED = ("cancel_shipped", "refund_late")
STATUS_OF = {"cancel": "pending", "address": "pending", "cancel_shipped": "shipped"}


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that the customer wants done with one order."""

    kind: str
    order_id: str
    item: Item
    variant: str = ""
    address: tuple[str, str, str] = ("", "", "")

    def calls(self, user_id: str) -> list[Call]:
        """The changes that grant the wish; none when the policy forbids it."""
        order = {"order_id": self.order_id}
        if self.kind == "cancel":
            return [("cancel_order", order | {"reason": "customer_request"})]
        if self.kind == "refund_item":
            return [("refund_order", order | {"scope": "item", "item_ids": [self.item.item_id]})]
        if self.kind == "refund_all":
            return [("refund_order", order | {"scope": "order"})]
        if self.kind == "refund_gold":
            return [("refund_order", order | {"scope": "item", "item_ids": [self.item.item_id], "override": True})]
        if self.kind == "address":
            street, city, postcode = self.address
            return [
                ("change_address", order | {"street": street, "city": city, "zip": postcode}),
                ("confirm_order", dict(order)),
            ]
        if self.kind == "exchange":
            return [("exchange_item", order | {"item_id": self.item.item_id, "variant": self.variant})]
        if self.kind == "billing":
            return [("escalate", {"user_id": user_id, "queue": "billing"} | order)]
        return []


@dataclass(frozen=True, slots=True)
class Task:
    """A customer with goals and the shop they stand in; every run of the task starts from `rows`.

    `wishes` are what the customer wants in the end. `first_wish` is what they ask for at first when they change their
    mind about wishes[0]; `wrong_order_id` is the number they give at first when they misread it.
    """

    task_id: str
    user: User
    wishes: tuple[Wish, ...]
    rows: dict[str, list[Row]] = field(repr=False)
    first_wish: Wish | None = None
    wrong_order_id: str = ""
    knows_number: bool = True

    def gold_calls(self) -> list[Call]:
        """The right handling of the whole task, identity first."""
        calls: list[Call] = [("verify_identity", {"user_id": self.user.user_id, "zip": self.user.zip})]
        for wish in self.wishes:
            calls.extend(wish.calls(self.user.user_id))
        return calls


def _build_wish(shop: Shop, user: User, kind: str) -> tuple[Wish, Order]:
    rng = shop.rng
    status = STATUS_OF.get(kind, "delivered")
    days = rng.randrange(36, 56) if kind in ("refund_late", "refund_gold") else rng.randrange(2, 27)
    order = shop.add_order(
        user, status, delivered_days=days, size=rng.choice((2, 3)) if kind.startswith("refund") else 0
    )
    item = rng.choice(order.items)
    variant = ""
    if kind == "exchange":
        variant = rng.choice([other for other in PRODUCTS[item.product] if other != item.variant])
    address = build_address(rng) if kind == "address" else ("", "", "")
    return Wish(kind, order.order_id, item, variant, address), order


def _draw_first_wish(rng: Random, wish: Wish) -> Wish | None:
    """What the customer asks for before changing their mind, for the kinds where that is natural."""
    if wish.kind == "refund_item":
        return Wish("refund_all", wish.order_id, wish.item)
    if wish.kind == "address":
        return Wish("cancel", wish.order_id, wish.item)
    if wish.kind == "exchange":
        others = [v for v in PRODUCTS[wish.item.product] if v not in (wish.item.variant, wish.variant)]
        return Wish("exchange", wish.order_id, wish.item, rng.choice(others))
    return None


def build_task(seed: int, index: int) -> Task:
    """Task number `index` of the seed's series; the same pair gives the same task."""
    rng = Random(f"helpdesk-task:{seed}:{index}")
    shop = Shop(rng)
    kind = rng.choices(list(KINDS), weights=list(KINDS.values()))[0]
    kinds = [kind]
    if rng.random() < 0.35:
        second = [name for name in KINDS if name != kind and name not in REFUSED and name != "refund_gold"]
        kinds.append(rng.choices(second, weights=[KINDS[name] for name in second])[0])
    gold = "refund_gold" in kinds or ("refund_late" not in kinds and rng.random() < 0.2)
    user = shop.add_user("gold" if gold else "standard")
    wishes = [_build_wish(shop, user, name)[0] for name in kinds]
    spare = [shop.add_order(user, status, delivered_days=rng.randrange(3, 25)) for status in _draw_spare(rng, kinds[0])]
    for _ in range(rng.randrange(2, 5)):
        stranger = shop.add_user(rng.choice(("standard", "gold")))
        shop.add_order(stranger, rng.choice(("pending", "shipped", "delivered")), delivered_days=rng.randrange(3, 50))
    shop.add_stock()
    first_wish = _draw_first_wish(rng, wishes[0]) if rng.random() < 0.3 else None
    wrong = ""
    if first_wish is None and rng.random() < 0.3:
        wrong = rng.choice((spare[0].order_id, spare[0].order_id, take_serial(rng, "W", 7)))
    knows_number = bool(wrong) or rng.random() < 0.6
    return Task(f"helpdesk:{seed}-{index:03d}", user, tuple(wishes), shop.rows, first_wish, wrong, knows_number)


def _draw_spare(rng: Random, kind: str) -> list[str]:
    """Statuses of the customer's other orders; the first could be mistaken for the one that is meant."""
    alike = STATUS_OF.get(kind, "delivered")
    alike = "pending" if alike == "shipped" else alike
    return [alike, *rng.choices(("pending", "shipped", "delivered"), k=rng.randrange(0, 3))]
