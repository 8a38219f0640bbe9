"""What real clients say when a pull fails, and that the portal knows the cause."""

import shlex
from dataclasses import dataclass

import pytest

from provisioning.demo import seed
from provisioning.diagnosis.matching import matching
from tests.stories.world import Purchase

pytestmark = [pytest.mark.xdist_group("sandbox"), pytest.mark.timeout(300)]

HOST = f"{seed.ACCOUNT_ID}.dkr.ecr.{seed.REGION}.amazonaws.com"
SERVER, MISSING = f"{HOST}/acme/server:1.1", f"{HOST}/acme/nothing:1.1"
TOKEN = f"aws ecr get-login-password --region {seed.REGION}"
MISSING_STORE = '{"credsStore": "missing"}'
LOGIN = f"{TOKEN} | docker login --username AWS --password-stdin {HOST} && "


@dataclass(frozen=True)
class Scene:
    """``command`` fails for the cause. ``key_id`` and ``secret`` are made of
    the right ones; ``aws`` is the version of the AWS CLI."""

    cause: str
    command: str
    key_id: str = "{}"
    secret: str = "{}"
    aws: str = "v2"


SCENES = [
    Scene("no-session", f"docker pull {SERVER}"),
    Scene("no-session", f"podman pull {SERVER}"),
    Scene("no-session", f"skopeo inspect docker://{SERVER}"),
    Scene("no-session", f"helm pull oci://{HOST}/acme/chart --version 1.1.0"),
    Scene("no-session", f"ctr images pull {SERVER}"),
    Scene("denied", f"{LOGIN} docker pull {HOST}/acme/reports:0.9"),
    Scene("denied", f"{LOGIN} skopeo inspect docker://{HOST}/acme/reports:0.9"),
    Scene("denied", f"{LOGIN} helm pull oci://{HOST}/acme/reports --version 0.9.0"),
    Scene("forbidden", f'ctr images pull --user "AWS:$({TOKEN})" {HOST}/acme/reports:0.9'),
    Scene("tag", f"{LOGIN} docker pull {HOST}/acme/server:9.9"),
    Scene("tag", f"{LOGIN} skopeo inspect docker://{HOST}/acme/server:9.9"),
    Scene("repository", f"{LOGIN} docker pull {MISSING}"),
    Scene("repository", f"{LOGIN} skopeo inspect docker://{MISSING}"),
    Scene("key", TOKEN, key_id="AKIANOSUCHKEY"),
    Scene("signature", TOKEN, secret="wrong"),
    Scene("signature", TOKEN, secret="{}\r"),
    Scene("carriage-return", TOKEN, key_id="{}\r"),
    Scene("no-credentials", f"env -u AWS_ACCESS_KEY_ID {TOKEN} --profile nobody"),
    Scene("no-credentials", f"env -u AWS_ACCESS_KEY_ID -u AWS_SECRET_ACCESS_KEY {TOKEN}"),
    Scene("get-login", f"aws ecr get-login --region {seed.REGION}"),
    Scene("e-none", f"$(aws ecr get-login --region {seed.REGION})", aws="v1"),
    Scene(
        "may-not-list", f"aws ecr list-images --repository-name acme/server --region {seed.REGION}"
    ),
    Scene("network", TOKEN.replace(seed.REGION, "eu-nowhere-1")),
    Scene("certificate", f"AWS_CA_BUNDLE=/etc/hosts {TOKEN}"),
    Scene(
        "certificate", f"SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/ skopeo inspect docker://{SERVER}"
    ),
    Scene("daemon", f"docker -H unix:///run/nothing.sock pull {SERVER}"),
    Scene("login-refused", f"echo x | docker login --username AWS --password-stdin {HOST}"),
    Scene("login-refused", f"echo x | skopeo login --username AWS --password-stdin {HOST}"),
    Scene("empty-password", f"true | docker login --username AWS --password-stdin {HOST}"),
    Scene(
        "store", f"mkdir -p .docker && echo '{MISSING_STORE}' > .docker/config.json && {LOGIN} :"
    ),
]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.cause)
def test_portal_knows_the_cause_of_what_a_client_says(bought: Purchase, scene: Scene) -> None:
    revealed = bought.revealed
    key_id = shlex.quote(scene.key_id.format(revealed.access_key_id))
    secret = shlex.quote(scene.secret.format(revealed.secret_access_key))
    said = bought.box.run(
        f"export AWS_ACCESS_KEY_ID={key_id} AWS_SECRET_ACCESS_KEY={secret}; {scene.command}",
        aws=scene.aws,
        home=f"scene-{SCENES.index(scene)}",
    )
    assert said.code != 0, said.words
    found = [cause.slug for cause in matching(said.words)]
    assert found[:1] == [scene.cause], f"{found}: {said.words}"
