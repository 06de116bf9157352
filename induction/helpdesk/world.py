"""The shop that the help desk serves: its schema, its people and goods, and a database filled from rows.

A task owns a small shop of its own, kept as plain rows, so that every run of the task starts from the same state.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

TODAY = date(2026, 3, 16)
"""The day on which every conversation takes place; the shop's windows (30 days) count from here."""

SCHEMA = """
CREATE TABLE users (user_id TEXT PRIMARY KEY, name TEXT, email TEXT, phone TEXT, zip TEXT, birth_date TEXT, tier TEXT);
CREATE TABLE orders (order_id TEXT PRIMARY KEY, user_id TEXT, status TEXT, placed_on TEXT, delivered_on TEXT,
                     confirmed INTEGER, street TEXT, city TEXT, zip TEXT);
CREATE TABLE items (item_id TEXT PRIMARY KEY, order_id TEXT, product TEXT, variant TEXT,
                    price_cents INTEGER, status TEXT);
CREATE TABLE payments (payment_id TEXT PRIMARY KEY, order_id TEXT, method TEXT, amount_cents INTEGER,
                       refunded_cents INTEGER, status TEXT);
CREATE TABLE stock (product TEXT, variant TEXT, quantity INTEGER, PRIMARY KEY (product, variant));
CREATE TABLE tickets (ticket_id INTEGER PRIMARY KEY, user_id TEXT, order_id TEXT, queue TEXT, summary TEXT);
CREATE TABLE notes (note_id INTEGER PRIMARY KEY, user_id TEXT, text TEXT);
CREATE TABLE verifications (user_id TEXT PRIMARY KEY);
CREATE TABLE changes (change_id INTEGER PRIMARY KEY, order_id TEXT, kind TEXT, verified INTEGER);
"""

Row = tuple[str | int | None, ...]

FIRST_NAMES = (
    "Mira|Jonas|Aylin|Pavel|Ines|Tomasz|Leila|Henrik|Chiara|Oskar|Nadia|Emil|Freya|Marco|Zofia|Anton|Selma|Luca|Vera|"
    "Nils|Ada|Karim|Greta|Milan|Rosa|Viktor|Hanna|Samir|Elif|Bruno|Maren|Dario|Petra|Yusuf|Alma|Felix|Ivana|Theo|Lotte"
)
LAST_NAMES = (
    "Kovacs|Berger|Demir|Novak|Santos|Wilk|Haddad|Lund|Ricci|Brandt|Petrov|Holm|Olsen|Ferrari|Zielinski|Maurer|Aziz|"
    "Conti|Horvat|Eriksen|Lang|Mansour|Vogel|Jovic|Marin|Sokolov|Krause|Rahimi|Yilmaz|Costa|Winter|Greco|Hofer|Kaya|Dahl"
)
STREETS = (
    "Mill Lane|Harbour Street|Linden Avenue|Station Road|Orchard Way|Castle Hill|Market Square|Rose Court|Quarry Road"
)
CITIES = "Ashford|Brightwater|Corley|Dunmore|Eastvale|Fernhill|Glenrock|Hartwell|Kingsbury|Longmere|Northam|Oakfield"
PRODUCTS: dict[str, tuple[str, ...]] = {
    "desk lamp": ("black", "white", "brass"),
    "backpack": ("green", "navy", "grey"),
    "running shoes": ("size 39", "size 42", "size 44"),
    "rain jacket": ("small", "medium", "large"),
    "coffee grinder": ("manual", "electric", "compact"),
    "wireless headphones": ("black", "silver", "blue"),
    "yoga mat": ("purple", "teal", "grey"),
    "water bottle": ("half litre", "one litre", "insulated"),
    "keyboard": ("german layout", "english layout", "french layout"),
    "office chair": ("with armrests", "without armrests", "mesh back"),
    "frying pan": ("small", "medium", "large"),
    "wool blanket": ("cream", "red", "grey"),
    "bicycle helmet": ("small", "medium", "large"),
    "picture frame": ("oak", "walnut", "black"),
    "tea kettle": ("steel", "copper", "glass"),
    "board game": ("base edition", "travel edition", "deluxe edition"),
    "winter gloves": ("small", "medium", "large"),
    "phone case": ("clear", "leather", "rubber"),
    "garden hose": ("ten metres", "twenty metres", "thirty metres"),
    "bed linen": ("single", "double", "king"),
}
METHODS = ("credit_card", "paypal", "gift_card", "bank_transfer")


@dataclass(frozen=True, slots=True)
class User:
    """A customer as the shop knows them."""

    user_id: str
    name: str
    email: str
    phone: str
    zip: str
    birth_date: str
    tier: str


@dataclass(frozen=True, slots=True)
class Item:
    """One line of an order; prices in cents."""

    item_id: str
    product: str
    variant: str
    price_cents: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order with what was bought in it, as it stands when the conversation begins."""

    order_id: str
    user_id: str
    status: str
    items: tuple[Item, ...]


def take_serial(rng: Random, prefix: str, digits: int) -> str:
    """An identifier such as W4821973; digits never start with zero."""
    return f"{prefix}{rng.randrange(10 ** (digits - 1), 10**digits)}"


def build_address(rng: Random) -> tuple[str, str, str]:
    """Street with number, city and five-digit postcode."""
    return (
        f"{rng.randrange(1, 190)} {rng.choice(STREETS.split('|'))}",
        rng.choice(CITIES.split("|")),
        f"{rng.randrange(10000, 99999)}",
    )


@dataclass(slots=True)
class Shop:
    """A shop under construction: rows for each table, drawn from one random stream."""

    rng: Random
    rows: dict[str, list[Row]] = field(default_factory=dict)

    def add_user(self, tier: str) -> User:
        """A new customer of the tier ("standard" or "gold")."""
        rng = self.rng
        first, last = rng.choice(FIRST_NAMES.split("|")), rng.choice(LAST_NAMES.split("|"))
        digits = rng.randrange(1000, 9999)
        handle = f"{first}_{last}_{digits}".lower()
        email = f"{first}.{last}{digits % 100}@example.com".lower()
        birth = date(rng.randrange(1950, 2004), rng.randrange(1, 13), rng.randrange(1, 29)).isoformat()
        postcode = f"{rng.randrange(10000, 99999)}"
        user = User(handle, f"{first} {last}", email, take_serial(rng, "+49", 9), postcode, birth, tier)
        self._insert("users", (handle, user.name, email, user.phone, user.zip, birth, tier))
        return user

    def add_order(self, user: User, status: str, *, delivered_days: int = 0, size: int = 0) -> Order:
        """A new order of the user; a delivered one arrived `delivered_days` ago. `size` 0 draws one to three items."""
        rng = self.rng
        order_id = take_serial(rng, "W", 7)
        products = rng.sample(sorted(PRODUCTS), size or rng.choice((1, 2, 2, 3)))
        items = tuple(
            Item(take_serial(rng, "I", 6), product, rng.choice(PRODUCTS[product]), 100 * rng.randrange(9, 240) + 90)
            for product in products
        )
        delivered_on = (TODAY - timedelta(days=delivered_days)).isoformat() if status == "delivered" else None
        placed_on = (TODAY - timedelta(days=delivered_days + rng.randrange(1, 6))).isoformat()
        confirmed = int(status != "pending")
        self._insert(
            "orders", (order_id, user.user_id, status, placed_on, delivered_on, confirmed, *build_address(rng))
        )
        for item in items:
            self._insert("items", (item.item_id, order_id, item.product, item.variant, item.price_cents, "ordered"))
        total = sum(item.price_cents for item in items)
        paid = "authorised" if status == "pending" else "captured"
        self._insert("payments", (take_serial(rng, "P", 6), order_id, rng.choice(METHODS), total, 0, paid))
        return Order(order_id, user.user_id, status, items)

    def add_stock(self, sold_out: tuple[str, str] | None = None) -> None:
        """Stock for every product and variant; the pair `sold_out` has none."""
        for product, variants in PRODUCTS.items():
            for variant in variants:
                quantity = 0 if (product, variant) == sold_out else self.rng.randrange(2, 40)
                self._insert("stock", (product, variant, quantity))

    def _insert(self, table: str, row: Row) -> None:
        self.rows.setdefault(table, []).append(row)


def open_database(rows: dict[str, list[Row]]) -> sqlite3.Connection:
    """A fresh in-memory database that holds the rows; the caller closes it."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    connection.execute("BEGIN")
    for table, table_rows in rows.items():
        marks = ",".join("?" * len(table_rows[0]))
        # The names of the tables are this module's own, never anybody's input.
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", table_rows)  # noqa: S608
    connection.execute("COMMIT")
    connection.row_factory = sqlite3.Row
    return connection
