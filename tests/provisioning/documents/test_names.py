"""The names and tags of pull users."""

import pytest

from provisioning.documents import names


def test_default_label_is_left_out_of_the_user_name() -> None:
    assert names.user_name("birch-bank") == "birch-bank"
    assert names.user_name("birch-bank", "ci") == "birch-bank.ci"


def test_label_cannot_give_two_customers_the_same_user_name() -> None:
    # A slug has no dot, so "birch" with the label "bank" differs from the customer "birch-bank".
    assert names.user_name("birch", "bank") != names.user_name("birch-bank")


def test_name_longer_than_iam_allows_is_refused() -> None:
    names.user_name("a" * 64)
    with pytest.raises(ValueError, match="64 characters"):
        names.user_name("a" * 65)


def test_user_with_another_customers_tags_is_not_ours() -> None:
    tags = names.user_tags("birch-bank", "default")
    assert names.is_ours(tags | {"team": "x"}, customer_slug="birch-bank", label="default")
    assert not names.is_ours(tags, customer_slug="cedar-clinic", label="default")
    assert not names.is_ours({}, customer_slug="birch-bank", label="default")
