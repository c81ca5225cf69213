"""Numbers, units and names as the page prints them.

A missing number is a dash, never "nan". Numbers keep all their digits before the decimal point, so that a figure on the
page can be found again in its table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

MISSING = "–"
NO_BREAK_SPACE = "\u00a0"
MINUS = "−"

_DIGITS_AROUND_HYPHEN = re.compile(r"(?<=\d)-(?=\d)")


def is_known(value: object) -> bool:
    """Whether a value is a finite number.

    >>> is_known(1.5), is_known(float("nan")), is_known(None)
    (True, False, False)
    """
    return isinstance(value, (int, float)) and math.isfinite(value)


def number(value: object, digits: int = 3) -> str:
    """A number with so many significant digits, whole numbers in full.

    >>> number(0.04567), number(5.2), number(-93.44), number(12345.6), number(None), number(0.0)
    ('0.0457', '5.20', '−93.4', '12,346', '–', '0')
    >>> number(0.00001234)
    '1.23e-05'
    """
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return MISSING
    if value == 0.0:
        return "0"
    if abs(value) < 1e-4:
        return f"{MINUS if value < 0 else ''}{abs(value):.{digits - 1}e}"
    return fixed(value, decimals_for(value, digits))


def fixed(value: object, decimals: int = 2) -> str:
    """A number with so many decimals, thousands set off by a comma; no minus before a zero.

    >>> fixed(0.456), fixed(-0.001), fixed(-1234.5, 1), fixed(float("nan"))
    ('0.46', '0.00', '−1,234.5', '–')
    """
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.,") else MINUS + text[1:]
    return text


def decimals_for(value: object, digits: int = 3) -> int:
    """Decimals that show so many significant digits of a value; two where it is not known.

    >>> decimals_for(2.38), decimals_for(0.0238), decimals_for(238.0), decimals_for(None)
    (2, 4, 0, 2)
    """
    if not isinstance(value, (int, float)) or not math.isfinite(value) or value == 0.0:
        return 2
    return max(0, digits - 1 - math.floor(math.log10(abs(value))))


def count(value: object) -> str:
    """A whole number.

    >>> count(12345.0), count(None)
    ('12,345', '–')
    """
    return fixed(value, 0)


def percent(share: object, decimals: int = 0) -> str:
    """A share between 0 and 1 in percent.

    >>> percent(0.8967, 1).replace(NO_BREAK_SPACE, " ")
    '89.7 %'
    """
    if not isinstance(share, (int, float)) or not math.isfinite(share):
        return MISSING
    return fixed(100.0 * share, decimals) + NO_BREAK_SPACE + "%"


def with_interval(value: object, low: object, high: object, decimals: int = 2) -> str:
    """A number with its interval in brackets, or alone where the interval is not known.

    >>> with_interval(0.45, 0.38, 0.51), with_interval(0.45, None, None)
    ('0.45 [0.38, 0.51]', '0.45')
    """
    text = fixed(value, decimals)
    if is_known(low) and is_known(high):
        text += f" [{fixed(low, decimals)}, {fixed(high, decimals)}]"
    return text


def digits_apart(low: object, high: object) -> int:
    """Significant digits, three to six, that two numbers need to look different.

    >>> digits_apart(92.91, 93.89), digits_apart(93.412, 93.418), digits_apart(1.0, 1.0)
    (3, 4, 6)
    """
    return next((digits for digits in range(3, 6) if number(low, digits) != number(high, digits)), 6)


def bounds(low: object, high: object) -> str:
    """Two ends of a total's range, as many digits as they need to differ.

    >>> bounds(92.91, 93.89), bounds(41.0, 160.2), bounds(93.412, 93.418)
    ('92.9 to 93.9', '41.0 to 160', '93.41 to 93.42')
    """
    if not (is_known(low) and is_known(high)):
        return MISSING
    digits = digits_apart(low, high)
    return f"{number(low, digits)} to {number(high, digits)}"


def quantity(value: object, unit: str, digits: int = 3) -> str:
    """A number and its unit, held together by a no-break space.

    >>> quantity(5.2, "kg/m2").replace(NO_BREAK_SPACE, " ")
    '5.20 kg/m²'
    """
    text = number(value, digits)
    return text if not unit or text == MISSING else text + NO_BREAK_SPACE + unit_text(unit)


def unit_text(unit: str) -> str:
    """A unit with raised exponents.

    >>> unit_text("kg/m2"), unit_text("g/cm3"), unit_text("ln(kg/m2)"), unit_text("%")
    ('kg/m²', 'g/cm³', 'ln(kg/m²)', '%')
    """
    return re.sub(r"(?<=m)([23])\b", lambda found: {"2": "²", "3": "³"}[found.group(1)], unit)


def layer_text(top_cm: float, bottom_cm: float) -> str:
    """A depth layer.

    >>> layer_text(0.0, 30.0), layer_text(2.5, 5.0)
    ('0–30\xa0cm', '2.5–5\xa0cm')
    """
    return f"{top_cm:g}–{bottom_cm:g}{NO_BREAK_SPACE}cm"


def period_words(period: str) -> str:
    """A period with a proper dash.

    >>> period_words("1985-1990"), period_words("mean 1985-1995")
    ('1985–1990', 'mean of 1985–1995')
    """
    return period.replace("-", "\u2013").replace("mean ", "mean of ")


def dated_layer(top_cm: float, bottom_cm: float, period: str) -> str:
    """A depth layer, and the period where there is one.

    >>> dated_layer(0.0, 30.0, ""), dated_layer(0.0, 30.0, "1985-1990")
    ('0–30\xa0cm', '0–30\xa0cm, 1985–1990')
    """
    return layer_text(top_cm, bottom_cm) + (f", {period_words(period)}" if period else "")


def group_text(name: str) -> str:
    """The name of a group of rows (layer, decile) with a proper dash.

    >>> group_text("whole 0-100 cm"), group_text("decile 1")
    ('whole 0–100\xa0cm', 'decile 1')
    """
    return _DIGITS_AROUND_HYPHEN.sub("–", name).replace(" cm", NO_BREAK_SPACE + "cm")


def plural(n: float, one: str, many: str = "") -> str:
    """A count and its noun.

    >>> plural(1, "profile"), plural(1200, "profile"), plural(2, "class", "classes")
    ('1 profile', '1,200 profiles', '2 classes')
    """
    return f"{count(n)} {one if n == 1 else (many or one + 's')}"


def listing(parts: Sequence[str]) -> str:
    """Parts of a sentence joined by commas and "and".

    >>> listing(["a"]), listing(["a", "b"]), listing(["a", "b", "c"])
    ('a', 'a and b', 'a, b and c')
    """
    if len(parts) < 2:
        return "".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def capital(text: str) -> str:
    """The same text with its first letter raised.

    >>> capital("whole SOC stock")
    'Whole SOC stock'
    """
    return text[:1].upper() + text[1:]
