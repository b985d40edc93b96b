"""Write numbers as a person reads them, for the text and the tables of a page. Used by all of `scoring/report`."""

from __future__ import annotations

import math

from polarity_cli.scoring.values import Interval

MISSING = "-"
"""What a table shows where a number is not defined."""
_LEAST_P = 0.001


def format_fraction(value: float | None, digits: int = 4) -> str:
    """Return a number with so many decimals; what is just below 1 never reads as 1, nor what is just above 0 as 0."""
    if value is None or not math.isfinite(value):
        return MISSING
    step = 10.0**-digits
    if 1 - step < value < 1:
        value = 1 - step
    if 0 < value < step:
        return f"<{step:.{digits}f}"
    return f"{value:.{digits}f}"


def format_share(value: float | None) -> str:
    """Return a fraction as per cent with one decimal; 100% and 0% only where it is just that."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value in (0, 1):
        return f"{value:.0%}"
    if value < 0.001:
        return "<0.1%"
    return f"{value:.1%}" if value <= 0.999 else ">99.9%"


def format_interval(interval: Interval | None, digits: int = 4) -> str:
    """Return an interval as `0.9012 to 0.9345`."""
    return MISSING if interval is None else f"{format_fraction(interval[0], digits)} to {format_fraction(interval[1], digits)}"


def format_signed(value: float | None, digits: int = 4) -> str:
    """Return a difference with its sign, a true minus for a negative one."""
    if value is None or not math.isfinite(value):
        return MISSING
    written = f"{abs(value):.{digits}f}"
    sign = "" if not float(written) else "+" if value > 0 else "\u2212"
    return sign + written


def format_signed_interval(interval: Interval | None) -> str:
    """Return an interval of a difference, each end with its sign."""
    return MISSING if interval is None else f"{format_signed(interval[0])} to {format_signed(interval[1])}"


def format_p(value: float) -> str:
    """Return a p-value as `p = 0.012`, or `p < 0.001`."""
    return f"p < {_LEAST_P}" if value < _LEAST_P else f"p = {min(value, 1.0):.3f}"


def format_count(value: float | None) -> str:
    """Return a count with commas between thousands."""
    return MISSING if value is None else f"{int(value):,}"


def format_large(value: int) -> str:
    """Return a large count in millions where that is shorter: `109.5 million`."""
    return f"{value / 1e6:,.1f} million" if value >= 1_000_000 else f"{value:,}"


def count_of(n: int, one: str, several: str = "") -> str:
    """Return a count with its noun: `1 review`, `2 reviews`."""
    return f"{n:,} {one if n == 1 else several or f'{one}s'}"
