"""Quantities: as the official client reads them, and what is refused."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kubernetes.utils.quantity import parse_quantity as official

from understage.errors import InputError
from understage.model.cost import parse_quantity

SUFFIXES = ["", "n", "u", "m", "k", "M", "G", "T", "P", "Ki", "Mi", "Gi", "Ti", "Pi"]


@given(st.decimals(0, 1000, places=3), st.sampled_from(SUFFIXES))
def test_every_suffix_means_what_it_means_to_the_official_client(number: Decimal, suffix: str) -> None:
    assert parse_quantity(f"{number:f}{suffix}", "cpu") == official(f"{number:f}{suffix}")


@pytest.mark.parametrize(
    ("text", "value"),
    [("250m", "0.25"), ("1.5Gi", "1610612736"), ("1e3", "1000"), ("2E", "2000000000000000000"), (".5", "0.5"), (3, "3"),
     (0.1, "0.1"), ("+2", "2"), ("1E2", "100"), ("1e-3", "0.001")],
)  # fmt: skip
def test_forms(text: Any, value: str) -> None:
    assert parse_quantity(text, "cpu") == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["", "-1", "1x", "1 Gi", "Gi", "1e999999999", "9" * 40, "9E9E", None, True, [], {}, "10E", "1e99", "NaN", "١"],
)
def test_what_is_none_is_refused_at_once(text: Any) -> None:
    with pytest.raises(InputError, match=r"^Deployment web: cpu"):
        parse_quantity(text, "Deployment web: cpu")
