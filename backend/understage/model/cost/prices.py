"""The price list that an estimate counts with: the configuration's `understage.costs`, or what a step gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from understage.errors import InputError

HOURS_OF_MONTH = 730
"""Of an average month, as cloud providers and OpenCost count it."""


@dataclass(frozen=True)
class PriceList:
    """Prices in one currency: of a core and of a GiB of memory an hour, of a GiB of storage and of a load balancer a month.

    `storage_classes` are prices that differ. Without others, the defaults of OpenCost where it knows no provider, in USD.
    """

    currency: str = "USD"
    cpu_hour: Decimal = Decimal("0.031611")
    memory_gib_hour: Decimal = Decimal("0.004237")
    storage_gib_month: Decimal = Decimal("0.04")
    load_balancer_month: Decimal = Decimal("18.25")
    storage_classes: Mapping[str, Decimal] = field(default_factory=dict)
    is_own: bool = False

    def storage(self, storage_class: str | None) -> Decimal:
        """Of a GiB for a month."""
        return self.storage_classes.get(storage_class or "", self.storage_gib_month)


_PRICES = {
    "cpuHour": "cpu_hour",
    "memoryGibHour": "memory_gib_hour",
    "storageGibMonth": "storage_gib_month",
    "loadBalancerMonth": "load_balancer_month",
}


def read_prices(costs: Mapping[str, Any]) -> PriceList:
    """The list of `{currency, prices: {cpuHour, memoryGibHour, storageGibMonth, loadBalancerMonth, storageClasses}}`.

    Nothing is mixed: who gives one price gives them all, since defaults are of another currency. A load balancer that has no
    price costs nothing. Raises InputError.
    """
    given = costs.get("prices") or {}
    currency = str(costs.get("currency") or "USD")
    if not given:
        if currency != "USD":
            raise InputError(
                f"The prices in {currency} are missing: the default ones are in USD. Set understage.costs.prices"
            )
        return PriceList()
    missing = [name for name in list(_PRICES)[:3] if given.get(name) is None]
    if missing:
        raise InputError(f"The price list lacks {', '.join(missing)}: it is used whole or not at all")
    prices = {member: _price(given.get(name) or 0, name) for name, member in _PRICES.items()}
    classes = {
        str(name): _price(price, f"storageClasses.{name}")
        for name, price in (given.get("storageClasses") or {}).items()
    }
    return PriceList(currency=currency, storage_classes=classes, is_own=True, **prices)


def _price(value: Any, name: str) -> Decimal:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        price = Decimal(-1)
    if not price.is_finite() or not 0 <= price < 10**9:
        raise InputError(f"The price {name} must be a number from 0 on, not {str(value)[:40]!r}")
    return price
