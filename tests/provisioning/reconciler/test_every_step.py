"""Every step that the reconciler can take is taken here, and leads to what is desired."""

from datetime import timedelta

from pytest_django.fixtures import Settings

from provisioning.demo.seed import Cast
from provisioning.documents import grammar, names, policies
from provisioning.flows import Actor
from provisioning.flows.credentials import activate, deactivate, reissue
from provisioning.flows.drift import resolve_drift
from provisioning.flows.entitlements import withdraw
from provisioning.models import AccessKey, Drift, PullUser, Repository, StepAttempt
from provisioning.reconciler.pull_user import steps as pull_user_steps
from provisioning.states import Outcome, Step
from tests.agreement import disagreements
from tests.aws import LOGIN_POLICY, Aws
from tests.entitlements import approved
from tests.worker import run_until_settled

# Taken on the turns of registries and repositories.
OF_OTHERS = {
    Step.REPLACE_LOGIN_POLICY,
    Step.REMOVE_UNKNOWN_USER,
    Step.ENSURE_REPOSITORY_STATEMENT,
}


def test_every_step_is_performed_by_one_kind_of_turn() -> None:
    assert pull_user_steps.STEPS.keys() == set(Step) - OF_OTHERS


def test_life_of_a_customer_takes_every_step(aws: Aws, cast: Cast, settings: Settings) -> None:
    settings.DRIFT_CONFIRM = timedelta(0)
    Repository.objects.filter(name="acme/agent").update(placement="user_policy")
    entitlement = approved(cast)
    run_until_settled()
    assert disagreements(aws) == []

    key = AccessKey.objects.get()
    deactivate(key, by=Actor(cast.alice))
    run_until_settled()
    assert aws.keys("birch-bank") == {key.access_key_id: "Inactive"}
    activate(AccessKey.objects.get(), by=Actor(cast.alice))
    leaked = PullUser.objects.get()
    reissue(leaked, by=Actor(cast.otto), reason="Leaked", overlap=timedelta(0))
    run_until_settled()
    assert disagreements(aws) == []

    edited = grammar.to_json(policies.login_policy() | {"Id": "edited"})
    aws.iam.create_policy_version(PolicyArn=LOGIN_POLICY, PolicyDocument=edited, SetAsDefault=True)
    tags = [{"Key": k, "Value": v} for k, v in names.user_tags("gone", "default").items()]
    aws.iam.create_user(UserName="gone", Path="/ecr-portal/", Tags=tags)
    run_until_settled()
    resolve_drift(Drift.objects.open().get(), "repair", by=Actor(cast.otto), reason="Restored")
    withdraw(entitlement, by=Actor(cast.sandra), reason="Contract ended")
    run_until_settled()
    assert aws.users() == []

    done = StepAttempt.objects.filter(outcome=Outcome.DONE).values_list("step", flat=True)
    assert set(done) == set(Step)
