"""Querysets of people and organisations. Tenancy is filtered here and nowhere else."""

from typing import Any, TypeVar

from django.contrib.auth.base_user import BaseUserManager
from django.db import models

M = TypeVar("M", bound=models.Model)


class UserManager(BaseUserManager[Any]):
    """Creates users, who are known by their email address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> Any:
        user = self.model(email=email.lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> Any:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> Any:
        """The user of an address, whatever its case."""
        return self.get(email__iexact=username)


class TenantQuerySet(models.QuerySet[M]):
    """Rows that belong to a customer. ``customer_path`` leads there: ``"customer"``,
    ``"pull_user__customer"``, or ``""`` where the row is the customer."""

    customer_path = "customer"

    def for_user(self, user: Any) -> "TenantQuerySet[M]":
        """The rows of the customers that ``user`` is a member of, without those whose sign-in rules
        the user's session does not meet; staff get no others."""
        memberships = user.memberships.exclude(customer__in=user.kept_out_of)
        # By id instead of a join, so that no row comes back twice.
        return self.of_customers(memberships.values("customer_id"))

    def of_customers(self, customers: Any) -> "TenantQuerySet[M]":
        """The rows of these customers, by their ids."""
        path = f"{self.customer_path}__" if self.customer_path else ""
        return self.filter(**{f"{path}pk__in": customers})


class CustomerQuerySet(TenantQuerySet[M]):
    customer_path = ""
