"""Whether a registry is ready for customers: what is asked of AWS before the first of them,
and what to do about each thing that is not as it should be."""

from provisioning.checkup.checks import check
from provisioning.checkup.results import CheckResult, CheckStatus, Subject

__all__ = ["CheckResult", "CheckStatus", "Subject", "check"]
