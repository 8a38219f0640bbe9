"""What clients print when they cannot pull, the cause of each error, and what to do about it.
Pure data; what a customer pastes is compared with it and stored nowhere."""

import re
from dataclasses import dataclass

# How much of a text is read, in characters: the error is at its end.
LIMIT = 20_000


@dataclass(frozen=True)
class ClientError:
    """``says`` is how a person would quote it; ``patterns`` find it, ignoring case."""

    slug: str
    says: str
    patterns: tuple[str, ...]
    cause: str
    remedy: str


def matching(text: str) -> list[ClientError]:
    """The errors found in the text, the most specific first."""
    end = text[-LIMIT:]
    return [
        error
        for error in CLIENT_ERRORS
        if any(re.search(pattern, end, re.IGNORECASE) for pattern in error.patterns)
    ]


# Errors with one certain cause come before those that several causes share.
CLIENT_ERRORS = (
    ClientError(
        "clock",
        "Signature expired; RequestExpired; Signature not yet current",
        (
            r"Signature expired",
            r"Signature not yet current",
            r"RequestExpired",
            r"RequestTimeTooSkewed",
            r"certificate has expired or is not yet valid",
        ),
        "The machine's clock is wrong by more than five minutes, and AWS rejects requests whose "
        "time differs that much.",
        "Set the clock and keep it in sync: “timedatectl set-ntp true” on most Linux machines. A "
        "virtual machine or container uses the clock of its host.",
    ),
    ClientError(
        "signature",
        "InvalidSignatureException; SignatureDoesNotMatch",
        (r"signature we calculated does not match", r"SignatureDoesNotMatch"),
        "AWS knows the access key id, but the secret access key does not belong to it: it was cut "
        "short while copying, is another key's, or ends with an invisible carriage return because "
        "the file was saved on Windows.",
        "Store both values again with “aws configure”. For a .env file, remove the carriage "
        "returns: “sed -i 's/\\r$//' FILE”. If the secret is lost, an owner or an engineer can "
        "create a new key.",
    ),
    ClientError(
        "carriage-return",
        "Invalid header value b'AWS4-HMAC-SHA256 …\\r'",
        (r"(?:invalid|illegal) header value", r"\$'\\r'"),
        "The access key id ends with an invisible carriage return: the file that holds it was "
        "saved with Windows line endings.",
        "Remove them: “sed -i 's/\\r$//' FILE”. Then sign in again.",
    ),
    ClientError(
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
        "shows its end and where it comes from. If they are the same and the check says that the "
        "key is active, write to your vendor.",
    ),
    ClientError(
        "no-credentials",
        "Unable to locate credentials; The config profile could not be found",
        (
            r"Unable to locate credentials",
            r"config profile \([^)]{1,200}\) could not be found",
            r"Partial credentials",
            r"NoCredentialProviders",
            r"no EC2 IMDS role found",
        ),
        "The AWS CLI, or the credential helper, found no credentials: they are stored for another "
        "user of the machine (sudo changes the user) or under another profile.",
        "As the user who pulls, run “Store the credentials” from the tab “Pull”. For a daemon, "
        "set AWS_PROFILE or the variables in the service's own environment.",
    ),
    ClientError(
        "get-login",
        "Invalid choice: get-login",
        (r"Invalid choice[^\n]{0,500}?(?:valid choices are|get-login)",),
        "AWS CLI 2 no longer has get-login.",
        "Choose the tool “Docker” on the tab “Pull”.",
    ),
    ClientError(
        "e-none",
        "unknown shorthand flag: 'e' in -e",
        (r"unknown shorthand flag: 'e'", r"-e none"),
        "get-login of AWS CLI 1 printed “-e none”, which Docker has not accepted since 17.06.",
        "Add --no-include-email, as for the tool “Docker, AWS CLI 1”; or use “Docker”, "
        "which works with AWS CLI 1 from 1.17.10 as well.",
    ),
    ClientError(
        "expired",
        "Your authorization token has expired. Reauthenticate and try again.",
        (r"authorization token has expired",),
        "A session lasts 12 hours. A session from another region gives the same error.",
        "Sign in again, with the region of the product's page. The credential helper does so by "
        "itself, and in Kubernetes the job that renews the pull secret.",
    ),
    ClientError(
        "denied",
        "denied: User … is not authorized to perform: ecr:BatchGetImage",
        (r"not authorized to perform: ecr:(?:BatchGetImage|GetDownloadUrlForLayer|BatchCheck)",),
        "You are signed in, but the user in the message may not pull from this repository: the "
        "product does not include it, it is not open yet, the access has ended, or you are signed "
        "in with other AWS credentials of yours.",
        "Compare the user and the repository in the message with the check. If it "
        "says that the repository is open to that user, write to your vendor with the message.",
    ),
    ClientError(
        "may-not-sign-in",
        "is not authorized to perform: ecr:GetAuthorizationToken",
        (r"not authorized to perform: ecr:GetAuthorizationToken",),
        "The AWS CLI used an identity that may not sign in to a registry: most often as a role or "
        "user of your own AWS account.",
        "Name the profile, as the product's page does. “aws sts get-caller-identity” with the same "
        "profile must show the pull user of the check. If it does, write to your vendor.",
    ),
    ClientError(
        "may-not-list",
        "is not authorized to perform: ecr:ListImages",
        (r"not authorized to perform: ecr:(?:List|Describe)",),
        "Customers may pull, but may not list tags and repositories in AWS.",
        "Copy the tag from the product's page, or ask your vendor.",
    ),
    ClientError(
        "tag",
        "manifest unknown; manifest for … not found; Requested image not found",
        (r"manifest unknown", r"manifest for \S{1,300} not found", r"Requested image not found"),
        "The repository is right, but it has no image with that tag or digest.",
        "Copy the newest tag from the product's page. If it is the same, it has been deleted "
        "meanwhile: ask your vendor.",
    ),
    ClientError(
        "repository",
        "name unknown: The repository does not exist in the registry",
        (
            r"name unknown",
            r"repository with name '[^']{1,300}' does not exist",
            r"RepositoryNotFoundException",
        ),
        "The registry has no repository of that name, or the address has the wrong region.",
        "Copy the address of the image from the product's page. If it is the same, ask your vendor "
        "whether the repository was renamed.",
    ),
    ClientError(
        "no-host",
        "pull access denied for …; requested access to the resource is denied",
        (
            r"pull access denied for (?!\S{0,300}\.amazonaws\.com)",
            r"requested access to the resource is denied",
        ),
        "The image's name does not start with a registry, so Docker looked for it at Docker Hub.",
        "Use the full address of the image from the product's page, including the account number.",
    ),
    ClientError(
        "platform",
        "no matching manifest for linux/arm64",
        (r"no matching manifest for", r"exec format error"),
        "The image was not built for this machine's processor.",
        "Pull with “--platform linux/amd64” where it can be emulated, or ask your vendor for an "
        "image for your platform.",
    ),
    ClientError(
        "certificate",
        "x509: certificate signed by unknown authority; SSL validation failed",
        (
            r"x509:",
            r"certificate.verify.failed",
            r"SSL validation failed",
            r"self.signed certificate",
        ),
        "Something between the machine and AWS presents its own certificate, usually a proxy of "
        "your organisation that inspects TLS. Or the machine's certificate authorities are old.",
        "Ask your network's administrator for the authority's certificate, and install it on the "
        "machine; for the AWS CLI, name the file in AWS_CA_BUNDLE; restart Docker afterwards.",
    ),
    ClientError(
        "too-many-requests",
        "toomanyrequests: Rate exceeded",
        (r"toomanyrequests", r"Rate exceeded", r"ThrottlingException", r"429 Too Many Requests"),
        "Too many pulls at once. If the message mentions Docker Hub, it is about an image that is "
        "not your vendor's, often the base image of a build.",
        "Wait a minute and pull again; have fewer machines pull at the same time.",
    ),
    ClientError(
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
        "The machine cannot reach AWS: the region's name is wrong, a firewall is in the way, or a "
        "proxy is not configured.",
        "Allow the machine to reach three hosts by HTTPS: the registry, "
        "api.ecr.REGION.amazonaws.com, and, for the layers, "
        "prod-REGION-starport-layer-bucket.s3.REGION.amazonaws.com. The Docker "
        "daemon needs the proxy in its own settings.",
    ),
    ClientError(
        "daemon",
        "Cannot connect to the Docker daemon",
        (r"Cannot connect to the Docker daemon", r"permission denied while trying to connect"),
        "Docker is not running on this machine, or you may not use it. This has nothing to do with "
        "the registry.",
        "Start it (“systemctl start docker”), or ask the machine's administrator to add you to "
        "the group docker.",
    ),
    ClientError(
        "store",
        "error storing credentials; error getting credentials; executable file not found",
        (
            r"error (?:storing|saving|getting) credentials",
            r"docker-credential-\S{1,50}.{0,4} executable file not found",
            r"exec: \"docker-credential-",
        ),
        "Docker's configuration names a program that stores credentials, and that program is "
        "missing or fails.",
        "Install the program that credsStore or credHelpers in ~/.docker/config.json names, or "
        "remove the entry, and sign in again.",
    ),
    ClientError(
        "login-refused",
        "docker login: 401 Unauthorized; invalid username/password",
        (r"login attempt to \S{1,300} failed with status: 40\d", r"invalid username/password"),
        "The registry rejected the password: the token was changed on its way (old PowerShell does "
        "that in a pipe), or an access key was used instead of it.",
        "The user is always AWS, and the password is what get-login-password prints. In PowerShell "
        "choose the tool of that name.",
    ),
    ClientError(
        "empty-password",
        "Cannot perform an interactive login from a non TTY device; password is empty",
        (r"interactive login from a non.TTY", r"password is empty", r"password required"),
        "The AWS CLI printed no token. Its own error is further up.",
        "Run the part before the “|” by itself, and paste its output here.",
    ),
    ClientError(
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
        "The client has no session for this registry: not signed in, signed in as another "
        "user of the machine (sudo changes the user), or to another host.",
        "Sign in with the command from the product's page as the user who pulls; for “sudo docker "
        "pull”, sign in with “sudo docker login”. Kubernetes needs a pull secret in the pod's "
        "namespace.",
    ),
    ClientError(
        "kubernetes",
        "ImagePullBackOff; ErrImagePull; FailedToRetrieveImagePullSecret",
        (r"ImagePullBackOff", r"ErrImagePull", r"retrieve (?:some )?image ?pull ?secret"),
        "Kubernetes could not pull, and gives the reason elsewhere.",
        "Paste the events at the end of “kubectl describe pod NAME” here. The pull secret must be "
        "in the pod's namespace, under the name in imagePullSecrets.",
    ),
    ClientError(
        "forbidden",
        "403 Forbidden",
        (r"403 Forbidden", r"status code(?: \[[^\]]{0,50}\])?:? 403"),
        "The registry refused, and the client does not show the reason: the session has expired, "
        "or the repository is not open to you.",
        "Sign in again. If that does not help, pull with Docker or Skopeo, which show the reason, "
        "and paste it here.",
    ),
)
