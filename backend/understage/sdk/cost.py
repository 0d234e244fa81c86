"""What manifests will cost a month, for actions that plan: the same numbers as those of `understage cost estimate`."""

from understage.model.cost import (
    Estimate,
    Line,
    PriceList,
    describe_estimate,
    estimate_cost,
    money,
    read_prices,
)
from understage.model.cost.workloads import Assumptions

__all__ = [
    "Assumptions",
    "Estimate",
    "Line",
    "PriceList",
    "describe_estimate",
    "estimate_cost",
    "money",
    "read_prices",
]
