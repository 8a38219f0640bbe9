"""Pages as their readers meet them."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _no_rate_limit_from_the_test_before() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()
