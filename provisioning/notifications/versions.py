"""Members who asked for it learn that a product has a new version."""

from django.db.models import Exists, OuterRef

from accounts.models import EmailKind, Membership
from provisioning.models import Entitlement, Repository
from provisioning.notifications import emails

# Tags that an email lists.
TAGS = 10


def tell(repository: Repository, tags: list[str]) -> None:
    """``tags``: of images that were not there when the repository was last read. A customer to
    whom several products open the repository gets one email."""
    # What stands in the list of kinds stands in its JSON.
    wanting = Membership.objects.filter(
        customer=OuterRef("customer"), switched__icontains=f'"{EmailKind.NEW_VERSION}"'
    )
    open_ = Entitlement.objects.live().filter(Exists(wanting), product__repositories=repository)
    by_customer = {row.customer_id: row for row in open_.select_related("customer", "product")}
    for entitlement in by_customer.values():
        emails.new_version(entitlement, repository, tags[:TAGS])
