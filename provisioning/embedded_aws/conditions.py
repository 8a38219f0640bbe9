"""The Condition element of a policy's statement. Source: the IAM JSON policy reference, "Condition
operators" and "Global condition context keys".

A test that is not understood is None: it never allows and always denies.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

# Operator without its negation → whether a value of the request passes one of the policy.
OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda value, expected: value == expected,
    "StringEqualsIgnoreCase": lambda value, expected: value.lower() == expected.lower(),
    "StringLike": lambda value, expected: matches(value, expected),
    "ArnEquals": lambda value, expected: matches(value, expected),
    "ArnLike": lambda value, expected: matches(value, expected),
    "NumericEquals": lambda value, expected: float(value) == float(expected),
    "NumericLessThan": lambda value, expected: float(value) < float(expected),
    "NumericLessThanEquals": lambda value, expected: float(value) <= float(expected),
    "NumericGreaterThan": lambda value, expected: float(value) > float(expected),
    "NumericGreaterThanEquals": lambda value, expected: float(value) >= float(expected),
    "DateEquals": lambda value, expected: _moment(value) == _moment(expected),
    "DateLessThan": lambda value, expected: _moment(value) < _moment(expected),
    "DateLessThanEquals": lambda value, expected: _moment(value) <= _moment(expected),
    "DateGreaterThan": lambda value, expected: _moment(value) > _moment(expected),
    "DateGreaterThanEquals": lambda value, expected: _moment(value) >= _moment(expected),
    "Bool": lambda value, expected: value.lower() == expected.lower(),
    "IpAddress": lambda value, expected: ip_address(value) in ip_network(expected, strict=False),
}
NEGATED = re.compile(r"(String|Arn|Numeric|Date)Not|NotIp")


def holds(condition: Mapping[str, Any], context: Mapping[str, str]) -> bool | None:
    """Whether all tests of a statement's Condition pass; None where one is not understood.
    ``context`` holds the keys that the request brings, in lower case."""
    tests = [
        _passes(operator, context.get(key.lower()), as_list(expected))
        for operator, keys in condition.items()
        for key, expected in keys.items()
    ]
    return False if False in tests else None if None in tests else True


def _passes(operator: str, value: str | None, expected: list[Any]) -> bool | None:
    """One operator on one key. A missing key fails a test, and passes a negated one or one with
    IfExists."""
    operator = operator.rpartition(":")[2]  # No key here has several values.
    wanted = [_text(each) for each in expected]
    if operator == "Null":
        return (value is None) in [each == "true" for each in wanted]
    is_optional = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    is_negated = NEGATED.match(operator) is not None
    test = OPERATORS.get(operator.replace("Not", "", 1) if is_negated else operator)
    if test is None or any("${" in each for each in wanted):
        return None
    if value is None:
        return is_negated or is_optional
    try:
        return any(test(value, each) for each in wanted) is not is_negated
    except ValueError:
        return None


def matches(value: str, pattern: str, *, ignore_case: bool = False) -> bool:
    """Whether a value fits a pattern with ``*`` and ``?``."""
    return _pattern(pattern, ignore_case=ignore_case).match(value) is not None


@lru_cache(maxsize=4096)
def _pattern(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    # In a policy only * and ? are wildcards; fnmatch's brackets are not.
    flags = re.IGNORECASE if ignore_case else 0
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")), flags)


def as_list(value: Any) -> list[Any]:
    """Where a policy may have one or several, a list of them."""
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    """JSON's numbers and booleans may stand without quotes."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
