"""The ledger: what is sold, who may pull what, and how far AWS agrees."""

from provisioning.models.access_key import AccessKey
from provisioning.models.drift import Drift
from provisioning.models.entitlement import Entitlement
from provisioning.models.grant import Grant
from provisioning.models.image import Image
from provisioning.models.installation import Installation
from provisioning.models.label import Label
from provisioning.models.one_time_secret import OneTimeSecret
from provisioning.models.product import Product
from provisioning.models.pull_user import PullUser
from provisioning.models.reconciled import Priority, Reconciled, update_in_order
from provisioning.models.registry import Registry
from provisioning.models.repository import Repository
from provisioning.models.step_attempt import StepAttempt

__all__ = [
    "AccessKey",
    "Drift",
    "Entitlement",
    "Grant",
    "Image",
    "Installation",
    "Label",
    "OneTimeSecret",
    "Priority",
    "Product",
    "PullUser",
    "Reconciled",
    "Registry",
    "Repository",
    "StepAttempt",
    "update_in_order",
]
