"""What clients say when they cannot pull: from their words to the cause, and what to do about
it. Pure data; what a customer pastes is compared with it and kept nowhere."""

import re
from dataclasses import dataclass

# What is looked at of a text, in characters: the error stands at its end.
LIMIT = 20_000


@dataclass(frozen=True)
class Trouble:
    """``says`` is how a person would quote it; ``patterns`` find it, whatever the case."""

    slug: str
    says: str
    patterns: tuple[str, ...]
    cause: str
    remedy: str


def matching(text: str) -> list[Trouble]:
    """The troubles whose words are in the text, the most telling first."""
    looked_at = text[-LIMIT:]
    return [
        trouble
        for trouble in TROUBLES
        if any(re.search(pattern, looked_at, re.IGNORECASE) for pattern in trouble.patterns)
    ]


# Those that name a cause for certain come before those that several causes have in common.
TROUBLES = (
    Trouble(
        "clock",
        "Signature expired; RequestExpired; Signature not yet current",
        (
            r"Signature expired",
            r"Signature not yet current",
            r"RequestExpired",
            r"RequestTimeTooSkewed",
            r"certificate has expired or is not yet valid",
        ),
        "The clock of the machine is off by more than five minutes, and AWS takes no request from "
        "another time.",
        "Set the clock and keep it right: “timedatectl set-ntp true” on most Linux machines. In a "
        "virtual machine or a container the clock is its host's.",
    ),
    Trouble(
        "signature",
        "InvalidSignatureException; SignatureDoesNotMatch",
        (r"signature we calculated does not match", r"SignatureDoesNotMatch"),
        "The access key id is known, and the secret access key beside it is not its own: cut short "
        "while copying, of another key, or followed by an invisible carriage return because the "
        "file was saved on Windows.",
        "Store both values again with “aws configure”. For a .env file, take the carriage returns "
        "out: “sed -i 's/\\r$//' FILE”. If the secret is lost, ask your vendor to reissue the "
        "credentials.",
    ),
    Trouble(
        "carriage-return",
        "Invalid header value b'AWS4-HMAC-SHA256 …\\r'",
        (r"(?:invalid|illegal) header value", r"\$'\\r'"),
        "The access key id ends with an invisible carriage return: the file that holds it was "
        "saved with the line ends of Windows.",
        "Take them out: “sed -i 's/\\r$//' FILE”. Then sign in again.",
    ),
    Trouble(
        "key",
        "UnrecognizedClientException; InvalidClientTokenId: the security token is invalid",
        (
            r"UnrecognizedClientException",
            r"InvalidClientTokenId",
            r"security token included in the request is invalid",
        ),
        "AWS does not know the access key id, or it is no longer active: it was mistyped, was "
        "replaced by a newer key, or the access has ended. A key that is a minute old may not be "
        "known everywhere yet.",
        "Compare the id that your machine uses with the one in the check: “aws configure list” "
        "shows its end and where it comes from. If they are the same and the key is said to be "
        "active, write to your vendor.",
    ),
    Trouble(
        "no-credentials",
        "Unable to locate credentials; The config profile could not be found",
        (
            r"Unable to locate credentials",
            r"config profile \([^)]*\) could not be found",
            r"Partial credentials",
            r"NoCredentialProviders",
            r"no EC2 IMDS role found",
        ),
        "The AWS CLI, or the credential helper, found no credentials: they were stored by another "
        "person of the machine (sudo changes who that is) or under another profile.",
        "As the person who pulls, run “Once on each machine” of the product's page. For a daemon, "
        "set AWS_PROFILE or the variables in the service's own environment.",
    ),
    Trouble(
        "get-login",
        "Invalid choice: get-login",
        (r"Invalid choice[^\n]*(?:valid choices are|get-login)",),
        "AWS CLI 2 has no get-login any more.",
        "Use the tab “Docker, AWS CLI 2”.",
    ),
    Trouble(
        "e-none",
        "unknown shorthand flag: 'e' in -e",
        (r"unknown shorthand flag: 'e'", r"-e none"),
        "get-login of AWS CLI 1 printed “-e none”, which Docker has not taken since 17.06.",
        "Add --no-include-email, as in the tab “Docker, AWS CLI 1”; or use the tab for AWS CLI 2, "
        "which works with AWS CLI 1 from 1.17.10 as well.",
    ),
    Trouble(
        "expired",
        "Your authorization token has expired. Reauthenticate and try again.",
        (r"authorization token has expired",),
        "A session lasts 12 hours. The same is said of a session from another region.",
        "Sign in again, with the region of the product's page. The credential helper does so by "
        "itself, and in Kubernetes the job that renews the pull secret.",
    ),
    Trouble(
        "denied",
        "denied: User … is not authorized to perform: ecr:BatchGetImage",
        (r"not authorized to perform: ecr:(?:BatchGetImage|GetDownloadUrlForLayer|BatchCheck)",),
        "You are signed in, but AWS does not open this repository to the user that it names: the "
        "product does not contain it, it is not open yet, the access has ended, or the session "
        "belongs to credentials of yours for something else.",
        "Compare the user and the repository in the message with the check. If it "
        "says that the repository is open to that user, write to your vendor with the message.",
    ),
    Trouble(
        "may-not-sign-in",
        "is not authorized to perform: ecr:GetAuthorizationToken",
        (r"not authorized to perform: ecr:GetAuthorizationToken",),
        "The AWS CLI asked as somebody who may not sign in to a registry: most often as a role or "
        "user of your own AWS account.",
        "Say which profile to use, as the product's page does. “aws sts get-caller-identity” "
        "with the same profile must name the pull user of the check. If it does, write to your "
        "vendor.",
    ),
    Trouble(
        "may-not-list",
        "is not authorized to perform: ecr:ListImages",
        (r"not authorized to perform: ecr:(?:List|Describe)",),
        "Customers may pull, but may not ask AWS for lists of tags and repositories.",
        "Take the tag from the product's page, or ask your vendor.",
    ),
    Trouble(
        "tag",
        "manifest unknown; manifest for … not found; Requested image not found",
        (r"manifest unknown", r"manifest for \S+ not found", r"Requested image not found"),
        "The repository is right, and it has no image with that tag or digest.",
        "Take the newest tag from the product's page. If that is the one, it was deleted in the "
        "meantime: ask your vendor.",
    ),
    Trouble(
        "repository",
        "name unknown: The repository does not exist in the registry",
        (
            r"name unknown",
            r"repository with name '[^']*' does not exist",
            r"RepositoryNotFoundException",
        ),
        "The registry has no repository of that name, or the region in the address is another one.",
        "Copy the address of the image from the product's page. If it is the same, ask your vendor "
        "whether the repository was renamed.",
    ),
    Trouble(
        "no-host",
        "pull access denied for …; requested access to the resource is denied",
        (
            r"pull access denied for (?!\S*\.amazonaws\.com)",
            r"requested access to the resource is denied",
        ),
        "The name of the image has no registry before it, so Docker looked for it at Docker Hub.",
        "Use the whole address of the image from the product's page, from the account number on.",
    ),
    Trouble(
        "platform",
        "no matching manifest for linux/arm64",
        (r"no matching manifest for", r"exec format error"),
        "The image was not built for this machine's processor.",
        "Pull with “--platform linux/amd64” where it can be emulated, or ask your vendor for an "
        "image of your platform.",
    ),
    Trouble(
        "certificate",
        "x509: certificate signed by unknown authority; SSL validation failed",
        (
            r"x509:",
            r"certificate.verify.failed",
            r"SSL validation failed",
            r"self.signed certificate",
        ),
        "Something between the machine and AWS shows a certificate of its own: mostly a proxy of "
        "your organisation that looks into TLS. Or the machine's store of authorities is old.",
        "Ask who runs your network for the authority's certificate, and put it into the machine's "
        "store; for the AWS CLI, name the file in AWS_CA_BUNDLE; restart Docker afterwards.",
    ),
    Trouble(
        "too-many-requests",
        "toomanyrequests: Rate exceeded",
        (r"toomanyrequests", r"Rate exceeded", r"ThrottlingException", r"429 Too Many Requests"),
        "Many pulls at once. If the message speaks of Docker Hub, it is about another image than "
        "your vendor's, often the base of a build.",
        "Wait a minute and pull again; let fewer machines pull at the same time.",
    ),
    Trouble(
        "network",
        "Could not connect to the endpoint URL; no such host; i/o timeout",
        (
            r"Could not connect to the endpoint",
            r"Connect timeout on endpoint",
            r"no such host",
            r"i/o timeout",
            r"connection refused",
            r"network is unreachable",
            r"name resolution",
            r"Client\.Timeout exceeded",
        ),
        "The machine does not reach AWS: the name of the region is wrong, or a firewall or a "
        "missing proxy stands between.",
        "Let the machine reach three hosts by HTTPS: the registry and api.ecr.REGION.amazonaws.com,"
        " and prod-REGION-starport-layer-bucket.s3.REGION.amazonaws.com, from where the layers "
        "come. Docker's daemon needs the proxy in its own settings.",
    ),
    Trouble(
        "daemon",
        "Cannot connect to the Docker daemon",
        (r"Cannot connect to the Docker daemon", r"permission denied while trying to connect"),
        "Docker does not run on this machine, or you may not use it. This has nothing to do with "
        "the registry.",
        "Start it (“systemctl start docker”), or ask who runs the machine to add you to the group "
        "docker.",
    ),
    Trouble(
        "store",
        "error storing credentials; error getting credentials; executable file not found",
        (
            r"error (?:storing|saving|getting) credentials",
            r"docker-credential-\S+.{0,4} executable file not found",
            r"exec: \"docker-credential-",
        ),
        "Docker's configuration names a program that keeps credentials, and that program is "
        "missing or failed.",
        "Install the program that credsStore or credHelpers in ~/.docker/config.json names, or "
        "take the entry out, and sign in again.",
    ),
    Trouble(
        "login-refused",
        "docker login: 401 Unauthorized; invalid username/password",
        (r"login attempt to \S+ failed with status: 40\d", r"invalid username/password"),
        "The registry did not take the password: the token was changed on its way (old PowerShell "
        "does that to a pipe), or an access key was given in its place.",
        "The user is always AWS, and the password is what get-login-password prints. In PowerShell "
        "use the tab of that name.",
    ),
    Trouble(
        "empty-password",
        "Cannot perform an interactive login from a non TTY device; password is empty",
        (r"interactive login from a non.TTY", r"password is empty", r"password required"),
        "The AWS CLI printed no token. Its own error stands further up.",
        "Run the part before the “|” by itself, and paste here what it says.",
    ),
    Trouble(
        "no-session",
        "no basic auth credentials; Not Authorized; authentication required",
        (
            r"no basic auth credentials",
            r"basic credential not found",
            r"unauthorized: (?:Not Authorized|authentication required)",
            r"authentication required",
            r"\]: 401 Unauthorized",
            r"authorization failed: no basic auth",
        ),
        "Whoever pulls has no session for this registry: not signed in, signed in as another "
        "person of the machine (sudo changes who that is), or to another host.",
        "Sign in with the command of the product's page as the person who pulls; with “sudo docker "
        "pull”, sign in by “sudo docker login”. Kubernetes wants a pull secret in the pod's own "
        "namespace.",
    ),
    Trouble(
        "kubernetes",
        "ImagePullBackOff; ErrImagePull; FailedToRetrieveImagePullSecret",
        (r"ImagePullBackOff", r"ErrImagePull", r"retrieve (?:some )?image ?pull ?secret"),
        "Kubernetes could not pull, and says elsewhere why.",
        "Paste the events at the end of “kubectl describe pod NAME” here. The pull secret must be "
        "in the pod's namespace, under the name that imagePullSecrets gives.",
    ),
    Trouble(
        "forbidden",
        "403 Forbidden",
        (r"403 Forbidden", r"status code(?: \[[^\]]*\])?:? 403"),
        "The registry refused, and the client keeps its reason to itself: the session has expired, "
        "or the repository is not open to you.",
        "Sign in again. If that is not it, pull with Docker or Skopeo, which tell the reason, and "
        "paste it here.",
    ),
)
