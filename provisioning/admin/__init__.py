"""The admin, where sales work and administrators keep the catalog."""

from provisioning.admin import catalog, entitlements

__all__ = ["catalog", "entitlements"]
