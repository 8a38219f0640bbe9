"""The credentials as they are stored on a customer's machine, in each of the usual forms.
Pure."""

from provisioning.instructions.target import Block


def set_up(profile: str) -> Block:
    """Stores the credentials in a profile of their own; the AWS CLI asks for them, so
    that the secret stays out of the shell's history."""
    return Block(
        "Store the credentials in a profile of the AWS CLI. It asks for the access key id and the "
        "secret access key; leave the other two answers empty.",
        f"aws configure --profile {profile}",
    )


def credentials_file(profile: str, access_key_id: str, secret_access_key: str) -> Block:
    """The same profile, as what ``set_up`` writes."""
    return Block(
        f"Holds the profile {profile}, as “aws configure” would write it. Where there is such a "
        "file already, add the lines to it.",
        f"[{profile}]\n"
        f"aws_access_key_id = {access_key_id}\n"
        f"aws_secret_access_key = {secret_access_key}\n",
        file="~/.aws/credentials",
    )


def env_file(profile: str, access_key_id: str, secret_access_key: str) -> Block:
    """For what reads the credentials from its environment."""
    return Block(
        "For tools that read their credentials from the environment. Keep it out of git.",
        f"AWS_ACCESS_KEY_ID={access_key_id}\nAWS_SECRET_ACCESS_KEY={secret_access_key}\n",
        file=f"~/{profile}.env",
    )
