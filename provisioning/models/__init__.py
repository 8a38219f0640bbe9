"""The ledger: what is sold, who may pull what, and how far AWS agrees."""

from provisioning.models.attempt import Reconciled, StepAttempt
from provisioning.models.catalog import Product, Registry, Repository
from provisioning.models.entitlement import Entitlement
from provisioning.models.finding import Finding
from provisioning.models.image import Image
from provisioning.models.pace import Pace
from provisioning.models.pull_user import AccessKey, Grant, Label, PullUser
from provisioning.models.secret import OneTimeSecret

__all__ = [
    "AccessKey",
    "Entitlement",
    "Finding",
    "Grant",
    "Image",
    "Label",
    "OneTimeSecret",
    "Pace",
    "Product",
    "PullUser",
    "Reconciled",
    "Registry",
    "Repository",
    "StepAttempt",
]
