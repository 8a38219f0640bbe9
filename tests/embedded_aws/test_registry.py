"""The registry, as a client of the distribution protocol pulls from it."""

import base64
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import time
from pathlib import Path

import pytest
import requests

from provisioning.embedded_aws import images
from tests.aws import ACCOUNT_ID, REGION, Aws
from tests.embedded_aws.users import User, repository_policy
from tests.requires import require


@pytest.fixture
def alice(aws: Aws) -> User:
    """A user that may sign in and pull acme/server."""
    user = User(aws, "alice")
    user.allow("ecr:GetAuthorizationToken")
    text = repository_policy(user.arn)
    aws.ecr.set_repository_policy(repositoryName="acme/server", policyText=text)
    return user


def token(user: User) -> str:
    found = user.client("ecr").get_authorization_token()["authorizationData"][0]
    encoded: str = found["authorizationToken"]
    return encoded


def get(aws: Aws, path: str, basic: str = "", method: str = "GET") -> requests.Response:
    headers = {"Authorization": f"Basic {basic}"} if basic else {}
    return requests.request(method, aws.url + path, headers=headers, timeout=10)


def error(answer: requests.Response) -> tuple[int, str, str]:
    (only,) = answer.json()["errors"]
    return answer.status_code, only["code"], only["message"]


def test_anonymous_client_must_sign_in(aws: Aws) -> None:
    answer = get(aws, "/v2/")
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')
    assert error(answer)[1] == "UNAUTHORIZED"


@pytest.mark.parametrize("password", ["AWS:made-up", "alice:made-up", "AWS:e30=.00"])
def test_token_that_was_not_issued_is_refused(aws: Aws, password: str) -> None:
    assert get(aws, "/v2/", base64.b64encode(password.encode()).decode()).status_code == 401


def test_token_is_valid_for_twelve_hours_at_this_registry(aws: Aws, alice: User) -> None:
    data = alice.client("ecr").get_authorization_token()["authorizationData"][0]
    assert 12 * 3600 - 60 < data["expiresAt"].timestamp() - time.time() <= 12 * 3600
    assert data["proxyEndpoint"] == aws.url
    assert get(aws, "/v2/", data["authorizationToken"]).status_code == 200


def test_expired_token_is_refused_with_ecrs_message(aws: Aws, alice: User) -> None:
    aws.embedded.config.login_hours = 0
    assert error(get(aws, "/v2/", token(alice))) == (
        403,
        "DENIED",
        "Your authorization token has expired. Reauthenticate and try again.",
    )


def test_token_outlives_its_key_unless_configured_otherwise(aws: Aws, alice: User) -> None:
    basic = token(alice)
    aws.iam.update_access_key(UserName="alice", AccessKeyId=alice.key_id, Status="Inactive")
    assert get(aws, "/v2/acme/server/manifests/1.1", basic).status_code == 200
    aws.embedded.config.tokens_die_with_their_key = True
    assert error(get(aws, "/v2/acme/server/manifests/1.1", basic))[:2] == (403, "DENIED")


def test_grant_is_checked_at_each_request(aws: Aws, alice: User) -> None:
    basic = token(alice)
    assert get(aws, "/v2/acme/server/manifests/1.1", basic).status_code == 200
    aws.ecr.delete_repository_policy(repositoryName="acme/server")
    status, code, message = error(get(aws, "/v2/acme/server/manifests/1.1", basic))
    assert (status, code) == (403, "DENIED")
    assert message == (
        f"User: {alice.arn} is not authorized to perform: ecr:BatchGetImage on resource: "
        f"arn:aws:ecr:{REGION}:{ACCOUNT_ID}:repository/acme/server because no resource-based "
        "policy allows the ecr:BatchGetImage action"
    )


def test_manifest_is_found_by_tag_and_by_digest(aws: Aws, alice: User) -> None:
    basic, digest = token(alice), aws.digest("acme/server", "1.1")
    for reference in ("1.1", digest):
        answer = get(aws, f"/v2/acme/server/manifests/{reference}", basic)
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Content-Type"] == images.MANIFEST
        assert f"sha256:{hashlib.sha256(answer.content).hexdigest()}" == digest
        head = get(aws, f"/v2/acme/server/manifests/{reference}", basic, "HEAD")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Docker-Content-Digest"] == digest


def test_missing_names_and_manifests_are_reported_with_the_protocols_codes(
    aws: Aws, alice: User
) -> None:
    basic = token(alice)
    assert error(get(aws, "/v2/acme/nothing/manifests/1", basic))[:2] == (404, "NAME_UNKNOWN")
    assert error(get(aws, "/v2/acme/server/manifests/9", basic))[:2] == (404, "MANIFEST_UNKNOWN")
    assert get(aws, "/v2/acme/server/tags/list", basic).json() == {
        "name": "acme/server",
        "tags": ["1.0", "1.1", "latest"],
    }


def test_blob_of_another_repository_is_not_served(aws: Aws, alice: User) -> None:
    basic = token(alice)
    own = json.loads(images.make("acme/server", "1.1").manifest)["config"]["digest"]
    other = json.loads(images.make("acme/reports", "0.9").manifest)["config"]["digest"]
    assert get(aws, f"/v2/acme/server/blobs/{own}", basic).status_code == 200
    assert error(get(aws, f"/v2/acme/server/blobs/{other}", basic))[:2] == (404, "BLOB_UNKNOWN")


def test_api_describes_what_was_pushed(aws: Aws) -> None:
    (repository,) = aws.ecr.describe_repositories(repositoryNames=["acme/server"])["repositories"]
    assert repository["repositoryUri"] == aws.url.removeprefix("http://") + "/acme/server"
    found = aws.ecr.describe_images(repositoryName="acme/server")["imageDetails"]
    by_tag = {image["imageTags"][0]: image for image in found}
    pushed = images.make("acme/server", "1.1")
    assert by_tag["1.1"]["imageDigest"] == pushed.digest
    assert by_tag["1.1"]["imageSizeInBytes"] == pushed.size
    assert by_tag["1.0"]["imagePushedAt"] < by_tag["1.1"]["imagePushedAt"]


def test_image_is_reproducible_and_complete() -> None:
    image = images.make("acme/server", "1.1")
    assert image == images.make("acme/server", "1.1")
    assert image.digest != images.make("acme/server", "1.0").digest
    manifest = json.loads(image.manifest)
    configuration = json.loads(image.blobs[manifest["config"]["digest"]])
    for layer, diff_id in zip(manifest["layers"], configuration["rootfs"]["diff_ids"], strict=True):
        blob = image.blobs[layer["digest"]]
        assert images.digest_of(blob) == layer["digest"]
        assert len(blob) == layer["size"]
        unpacked = gzip.decompress(blob)
        assert images.digest_of(unpacked) == diff_id
        with tarfile.open(fileobj=io.BytesIO(unpacked)) as tar:
            assert tar.getnames()


def test_skopeo_copies_an_image(aws: Aws, alice: User, tmp_path: Path) -> None:
    require("skopeo")
    host = aws.url.removeprefix("http://")
    auth = tmp_path / "auth.json"
    auth.write_text(json.dumps({"auths": {host: {"auth": token(alice)}}}))
    source = f"docker://{host}/acme/server:1.1"
    copied = subprocess.run(
        [
            "skopeo",
            "copy",
            "--authfile",
            auth,
            "--src-tls-verify=false",
            source,
            f"oci:{tmp_path}/i",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert copied.returncode == 0, copied.stderr
    index = json.loads((tmp_path / "i" / "index.json").read_text())
    assert index["manifests"][0]["digest"] == aws.digest("acme/server", "1.1")
