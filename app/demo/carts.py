"""Generated carts, as the phone app sends them: unrounded floats."""

import random
from itertools import accumulate
from typing import Any, Final

from app.demo.goods import TRADES, Product
from app.demo.people import STAFF, customers

Json = dict[str, Any]

_CUSTOMER: Final = ("customer_name", "customer_phone", "customer_address")
_MOST_LINES: Final = 12


class Carts:
    """The carts of a store of one trade, with some regular customers."""

    def __init__(self, chance: random.Random, trade: str, people: int) -> None:
        self._chance = chance
        self._goods = TRADES[trade]
        self._popular = list(accumulate(1 / place for place in range(1, len(self._goods) + 1)))
        self._customers = customers(chance, people)
        self._regular = list(accumulate(1 / (5 + place) for place in range(people)))

    def cart(self, earlier: Json | None = None) -> Json:
        """Return the body of an estimate, of the same customer as an earlier body if there is one."""
        chance = self._chance
        count = min(_MOST_LINES, 1 + int(chance.expovariate(0.45)))
        products = chance.choices(self._goods, cum_weights=self._popular, k=count)
        items = [self._line(number, product) for number, product in enumerate(products, start=1)]
        subtotal: float = sum(each["price"] * each["quantity"] * (1 - each["discount"] / 100) for each in items)
        is_percentage = chance.choice((True, True, True, True, False))
        discount = chance.choice((0, 0, 0, 0, 2, 5))
        total = subtotal * (1 - discount / 100) if is_percentage else max(0.0, subtotal - discount)
        to_the_rupee = total >= 1 and chance.choice((True, True, False, False, False))
        (customer,) = chance.choices(self._customers, cum_weights=self._regular)
        return {
            **(customer._asdict() if earlier is None else {name: earlier[name] for name in _CUSTOMER}),
            "sale_by": chance.choices(STAFF, (5, 4, 3, 2, 1))[0],
            "items": items,
            "subtotal": subtotal,
            "discount_amount": float(discount),
            "is_percentage_discount": is_percentage,
            "total": float(round(total)) if to_the_rupee else total,
        }

    def sale(self) -> Json:
        """Return the body of a sale, mostly paid in full, sometimes in part."""
        cart = self.cart()
        (share,) = self._chance.choices((1, 0.75, 0.5), (95, 2, 3))
        paid = cart["total"] if share == 1 else float(int(cart["total"] * share))
        return {**cart, "payment_mode": self.payment(), "amount_paid": paid}

    def payment(self) -> str:
        """Return a payment mode, most often UPI to the phone of a seller."""
        modes = ("Cash", f"UPI: {self._chance.choice(STAFF)}", "Card", "Bank Transfer", "Cheque", "Other")
        return self._chance.choices(modes, (32, 45, 15, 4, 3, 1))[0]

    def _line(self, number: int, product: Product) -> Json:
        chance = self._chance
        quantity: float = 1 if product.most == 1 else 1 + int(chance.expovariate(3 / product.most))
        if product.by_weight:
            quantity += chance.choice((-0.75, -0.5, -0.25, 0.0, 0.0, 0.0))
        return {
            "id": number,
            "name": product.name,
            "price": round(product.price * chance.choice((1, 1, 1, 0.97, 1.04)), 2),
            "quantity": quantity,
            "discount": chance.choice((0, 0, 0, 0, 0, 5, 10)),
        }
