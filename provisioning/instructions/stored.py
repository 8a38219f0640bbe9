"""The credentials as they are stored on a customer's machine, in each of the usual forms.
Pure."""

from provisioning.instructions.target import ONCE, Block


def set_up(profile: str) -> Block:
    """Stores the credentials in a profile of their own; the AWS CLI asks for them, so
    that the secret stays out of the shell's history."""
    return Block(
        "Store the credentials",
        f"aws configure --profile {profile}",
        when=ONCE,
        note="It asks for the access key id and the secret access key. Leave the other two answers "
        "empty.",
        unless=f"aws configure get aws_access_key_id --profile {profile} > /dev/null",
    )


def change_over(profile: str) -> list[Block]:
    """What each machine needs once a new key replaces the one that it has."""
    return [
        Block(
            "Store the new credentials in the place of the old",
            f"aws configure --profile {profile}",
            note="The profile stays, so nothing else on the machine changes.",
        ),
        Block(
            "See that AWS accepts them",
            f"aws sts get-caller-identity --profile {profile}",
            note="Where a session of Docker or Podman is in use, it lives on for up to 12 hours; "
            "the next sign-in uses the new key. In Kubernetes, apply the new secret.",
        ),
    ]


def credentials_file(profile: str, access_key_id: str, secret_access_key: str) -> Block:
    """The same profile, as what ``set_up`` writes."""
    return Block(
        "A file for the AWS CLI",
        f"[{profile}]\n"
        f"aws_access_key_id = {access_key_id}\n"
        f"aws_secret_access_key = {secret_access_key}\n",
        note=f"Holds the profile {profile}, as “aws configure” would write it. Where there is such "
        "a file already, add the lines to it.",
        file="~/.aws/credentials",
    )


def kubernetes_secret(profile: str, access_key_id: str, secret_access_key: str) -> Block:
    """For the job that renews a pull secret."""
    return Block(
        "A secret for a cluster",
        "apiVersion: v1\n"
        "kind: Secret\n"
        f"metadata:\n  name: {profile}-aws\n"
        "stringData:\n"
        f"  AWS_ACCESS_KEY_ID: {access_key_id}\n"
        f"  AWS_SECRET_ACCESS_KEY: {secret_access_key}\n",
        note="For the Kubernetes job that renews the pull secret: “kubectl apply -f” it in each "
        "namespace, then delete the file.",
        file=f"{profile}-aws.yaml",
    )


def env_file(profile: str, access_key_id: str, secret_access_key: str) -> Block:
    """For what reads the credentials from its environment."""
    return Block(
        "A file of environment variables",
        f"AWS_ACCESS_KEY_ID={access_key_id}\nAWS_SECRET_ACCESS_KEY={secret_access_key}\n",
        note="For tools that read their credentials from the environment. Keep it out of git.",
        file=f"~/{profile}.env",
    )
