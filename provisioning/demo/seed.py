"""The people, organisations and products of the demo and of the tests."""

from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.contrib.auth.models import Group

from accounts.models import Customer, Membership, User
from accounts.permissions import OPS, SALES
from provisioning.embedded_aws import EXTERNAL_ID, EmbeddedAws, boundary_arn, images, role_arn
from provisioning.models import Product, Registry, Repository

PASSWORD = "correct horse battery"  # noqa: S105 - the demo prints it
ACCOUNT_ID = "123456789012"
REGION = "eu-central-1"
# What is pushed there: repository → tags, the newest last. Of the agent's there is one for
# each of two platforms.
IMAGES = {
    "acme/server": ["1.0", "1.1"],
    "acme/agent": ["2.3"],
    "acme/reports": ["0.9"],
}
PLATFORMS = {"acme/agent": ("linux/amd64", "linux/arm64/v8")}
# A Helm chart that is pushed beside them; no product opens it as long as nobody adds it.
CHART, CHART_VERSION = "acme/chart", "1.1.0"


@dataclass(frozen=True)
class Cast:
    """Alice (owner) and Bob (viewer) of Birch Bank, Charlie (owner) of Cedar Clinic,
    Sandra in sales, Otto in ops; Acme Server opens two repositories, Acme Reports one."""

    alice: User
    bob: User
    charlie: User
    sandra: User
    otto: User
    birch: Customer
    cedar: Customer
    server: Product
    reports: Product
    registry: Registry


def stock(aws: EmbeddedAws) -> None:
    """Give the vendor's AWS account its repositories and images, and the portal its role."""
    aws.create_account(ACCOUNT_ID)
    for repository, tags in IMAGES.items():
        aws.create_repository(ACCOUNT_ID, REGION, repository)
        for tag in tags:
            image = _image(repository, tag)
            aws.push(ACCOUNT_ID, REGION, repository, tag, image)
            aws.push(ACCOUNT_ID, REGION, repository, "latest", image)
    aws.create_repository(ACCOUNT_ID, REGION, CHART)
    chart = images.make_chart("chart", CHART_VERSION)
    aws.push(ACCOUNT_ID, REGION, CHART, CHART_VERSION, chart)


def _image(repository: str, tag: str) -> images.Image:
    if repository in PLATFORMS:
        return images.make_index(repository, tag, PLATFORMS[repository])
    return images.make(repository, tag)


def seed(*, endpoint_url: str = "") -> Cast:
    """Create the cast in an empty database."""
    registry = Registry.objects.create(
        name="Frankfurt",
        account_id=ACCOUNT_ID,
        region=REGION,
        role_arn=role_arn(ACCOUNT_ID),
        external_id=EXTERNAL_ID,
        boundary_arn=boundary_arn(ACCOUNT_ID),
        endpoint_url=endpoint_url,
    )
    repositories = {
        name: Repository.objects.create(registry=registry, name=name) for name in IMAGES
    }
    server = Product.objects.create(
        name="Acme Server", slug="server", description="The server, and the agent for each host."
    )
    server.repositories.set([repositories["acme/server"], repositories["acme/agent"]])
    reports = Product.objects.create(
        name="Acme Reports", slug="reports", description="Reports from the server's data."
    )
    reports.repositories.set([repositories["acme/reports"]])
    birch = Customer.objects.create(name="Birch Bank", slug="birch-bank")
    cedar = Customer.objects.create(name="Cedar Clinic", slug="cedar-clinic")
    return Cast(
        alice=_member("Alice Ahlgren", "alice@birch.example", birch, Membership.Role.OWNER),
        bob=_member("Bob Berger", "bob@birch.example", birch, Membership.Role.VIEWER),
        charlie=_member("Charlie Chen", "charlie@cedar.example", cedar, Membership.Role.OWNER),
        sandra=_staff("Sandra Silva", "sandra@acme.example", SALES),
        otto=_staff("Otto Okafor", "otto@acme.example", OPS),
        birch=birch,
        cedar=cedar,
        server=server,
        reports=reports,
        registry=registry,
    )


def _person(name: str, email: str, *, is_staff: bool = False) -> User:
    user = User.objects.create_user(email, PASSWORD, name=name, is_staff=is_staff)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    return user


def _member(name: str, email: str, customer: Customer, role: Membership.Role) -> User:
    user = _person(name, email)
    Membership.objects.create(user=user, customer=customer, role=role)
    return user


def _staff(name: str, email: str, group: str) -> User:
    user = _person(name, email, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return user
