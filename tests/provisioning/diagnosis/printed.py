"""What clients print when they cannot pull, by what it means (the slug of the error)."""

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
IMAGE = f"{HOST}/acme/server:1.1"
MANIFEST = f"https://{HOST}/v2/acme/server/manifests/1.1"
TOKEN = "when calling the GetAuthorizationToken operation:"
USER = "User: arn:aws:iam::123456789012:user/ecr-portal/birch-bank is not authorized to perform:"
STORING = "Error saving credentials: error storing credentials - err: exit status 1, out:"
RPC = "rpc error: code = Unknown desc ="

PRINTED: dict[str, list[str]] = {
    "clock": [
        (
            f"An error occurred (InvalidSignatureException) {TOKEN} Signature expired: "
            "20261123T101010Z is now earlier than 20261123T111010Z (20261123T111510Z - 5 min.)"
        ),
        (
            f"Get https://{HOST}/v2/: x509: certificate has expired or is not yet valid: current time "
            "2019-01-01T00:00:00Z is before 2026-01-01T00:00:00Z"
        ),
    ],
    "carriage-return": ["Invalid header value b'AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\\r'"],
    "space-in-key": [
        (
            f"An error occurred (IncompleteSignature) {TOKEN} 'AKIAEXAMPLE/20260122/eu-central-1/ecr/"
            "aws4_request' not a valid key=value pair (missing equal-sign) in Authorization header"
        ),
    ],
    "signature": [
        (
            f"An error occurred (InvalidSignatureException) {TOKEN} The request signature we "
            "calculated does not match the signature you provided."
        ),
        "SignatureDoesNotMatch: check your key",
    ],
    "session-token": [
        (
            f"An error occurred (ExpiredTokenException) {TOKEN} The security token included in the "
            "request is expired"
        ),
        "Error when retrieving token from sso: Token has expired and refresh failed",
    ],
    "key": [
        (
            f"An error occurred (UnrecognizedClientException) {TOKEN} The security token included in "
            "the request is invalid."
        ),
        "An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation",
    ],
    "credentials-file": [
        "botocore.exceptions.ConfigParseError: Unable to parse config file: ~/.aws/credentials",
        "[Errno 13] Permission denied: '/home/bob/.aws/credentials'",
        "open /root/.aws/credentials: permission denied",
    ],
    "no-credentials": [
        'Unable to locate credentials. You can configure credentials by running "aws configure".',
        "The config profile (acme-software) could not be found",
        (
            "Error: Credentials could not be loaded, please check your action inputs: Could not load "
            "credentials from any providers"
        ),
        (
            "ecr: Failed to get authorization token: NoCredentialProviders: no valid providers in "
            "chain. Deprecated."
        ),
        (
            "operation error ECR: GetAuthorizationToken, get identity: get credentials: failed to "
            "refresh cached credentials, no EC2 IMDS role found, operation error ec2imds: GetMetadata, "
            "request canceled, context deadline exceeded"
        ),
    ],
    "region": [
        'You must specify a region. You can also configure your region by running "aws configure".',
        "Error: Region is missing",
        "MissingRegion: could not find region configuration",
    ],
    "no-cli": [
        "bash: aws: command not found",
        "/bin/sh: 1: aws: not found",
        "zsh: command not found: aws",
        "'aws' is not recognized as an internal or external command,",
        "aws : The term 'aws' is not recognized as the name of a cmdlet, function, script file",
    ],
    "cli-too-old": [
        (
            "aws: error: argument operation: Invalid choice, valid choices are:\n\n"
            "get-authorization-token | get-download-url-for-layer\nget-login | list-images\n\n\n"
            "Invalid choice: 'get-login-password', maybe you meant:\n\n  * get-login\n"
        ),
        (
            "aws: error: argument operation: Invalid choice, valid choices are:\n\n"
            "get-authorization-token                  | get-download-url-for-layer\n"
            "get-login                                | help\n"
        ),
        "aws: error: argument command: Invalid choice, valid choices are:\n\nautoscaling | s3",
    ],
    "get-login": [
        (
            "aws: error: argument operation: Invalid choice, valid choices are:\n\n"
            "batch-delete-image | describe-images\nget-login-password\nwait | help"
        ),
        "\naws: error: argument operation: Found invalid choice 'get-login'\n",
        (
            "aws: error: argument operation: Invalid choice: 'get-login-pasword', maybe you meant:\n\n"
            "  * get-login-password"
        ),
        (
            "To see help text, you can run:\n\n  aws help\n\naws: error: argument operation: Invalid "
            "choice\n"
        ),
    ],
    "e-none": ["unknown shorthand flag: 'e' in -e\nSee 'docker login --help'."],
    "helper-signs-in": [f"{STORING} `not implemented`"],
    "disk-full": [
        "failed to register layer: write /usr/lib/libc.so: no space left on device",
        "Error processing tar file(exit status 1): write /app: no space left on device",
    ],
    "rootless": [
        (
            "Error: potentially insufficient UIDs or GIDs available in user namespace (requested 0:42 "
            "for /etc/gshadow): Check /etc/subuid and /etc/subgid: lchown /etc/gshadow"
        ),
        (
            "ERRO[0000] RunRoot is pointing to a path (/run/user/1000/containers) which is not "
            "writable. Most likely podman will fail."
        ),
    ],
    "home-not-writable": [
        (
            "WARNING: Error loading config file: /home/bob/.docker/config.json: open "
            "/home/bob/.docker/config.json: permission denied"
        ),
        (
            "Error saving credentials: open /home/runner/.docker/config.json3597419489: permission "
            "denied"
        ),
        "Error saving credentials: mkdir /root/.docker: permission denied",
    ],
    "daemon": [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon "
            "running?"
        ),
        (
            "permission denied while trying to connect to the Docker daemon socket: Get "
            '"http://%2Fvar%2Frun%2Fdocker.sock/v1.24/version": dial unix /var/run/docker.sock: '
            "connect: permission denied"
        ),
        (
            "error during connect: Post http://%2F%2F.%2Fpipe%2Fdocker_engine/v1.24/auth: open "
            "//./pipe/docker_engine: The system cannot find the file specified."
        ),
        (
            "Error response from daemon: client version 1.24 is too old. Minimum supported API version "
            "is 1.44"
        ),
        "unable to resolve docker endpoint: open /certs/client/ca.pem: no such file or directory",
    ],
    "expired": [
        "denied: Your authorization token has expired. Reauthenticate and try again.",
        (
            f"Error response from daemon: pull access denied for {HOST}/acme/server, repository does "
            "not exist or may require 'docker login': denied: Your authorization token has expired."
        ),
    ],
    "may-not-push": [f"denied: {USER} ecr:InitiateLayerUpload on resource: acme/server"],
    "denied": [
        f"denied: {USER} ecr:BatchGetImage on resource: acme/server",
        (
            f"Error response from daemon: pull access denied for {HOST}/acme/server, repository does "
            f"not exist or may require 'docker login': denied: {USER} ecr:BatchGetImage on resource"
        ),
    ],
    "may-not-sign-in": [
        (
            f"An error occurred (AccessDeniedException) {TOKEN} User: arn:aws:sts::210987654321:"
            "assumed-role/ci/1 is not authorized to perform: ecr:GetAuthorizationToken on resource: *"
        ),
    ],
    "may-not-list": [
        f"{USER} ecr:ListImages on resource: acme/server",
        (
            'level=fatal msg="Error determining repository tags: Invalid status code returned when '
            'fetching tags list 403 (Forbidden)"'
        ),
    ],
    "scheme": [
        (
            "pinging docker registry returned: Get https://https//registry/v2/: dial tcp: lookup https "
            "on 192.0.2.1:53: no such host"
        ),
        f'invalid argument "https://{IMAGE}" for "-t, --tag" flag: invalid reference format',
    ],
    "reference": [
        "invalid reference format: repository name (Acme/Server) must be lowercase",
        "FATA[0000] invalid reference format",
        '"docker pull" requires exactly 1 argument.',
        'Failed to apply default image tag "X:": couldn\'t parse image reference "X:"',
    ],
    "platform": [
        "no matching manifest for linux/arm64/v8 in the manifest list entries",
        (
            "The requested image's platform (linux/amd64) does not match the detected host platform "
            "(linux/arm64/v8)"
        ),
        "standard_init_linux.go:228: exec user process caused: exec format error",
        "choosing image instance: no image found in manifest list for architecture arm64",
    ],
    "tag": [
        f"manifest for {IMAGE} not found: manifest unknown: Requested image not found",
        f'failed to resolve reference "{IMAGE}": {IMAGE}: not found',
    ],
    "repository": [
        (
            "name unknown: The repository with name 'acme/sever' does not exist in the registry with "
            "id '123456789012'"
        ),
        f"repository {HOST}/acme/server not found: does not exist or no pull access",
    ],
    "http": [f'Get "https://{HOST}/v2/": http: server gave HTTP response to HTTPS client'],
    "certificate": [
        (
            f'level=fatal msg="Error parsing image name \\"docker://{IMAGE}\\": pinging container '
            f'registry {HOST}: Get \\"https://{HOST}/v2/\\": x509: certificate signed by unknown authority"'
        ),
        (
            f'Get "https://{HOST}/v2/": tls: failed to verify certificate: x509: certificate signed by '
            "unknown authority"
        ),
        (
            "SSL validation failed [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: unable "
            "to get local issuer certificate (_ssl.c:1129)"
        ),
    ],
    "too-many-requests": [
        "toomanyrequests: You have reached your pull rate limit.",
        f"An error occurred (ThrottlingException) {TOKEN} Rate exceeded",
    ],
    "network": [
        f'Get "https://{HOST}/v2/": net/http: TLS handshake timeout',
        f"Get https://{HOST}/v2/: dial tcp: lookup {HOST} on 192.0.2.1:53: no such host",
        (
            f"Get https://{HOST}/v2/: proxyconnect tcp: dial tcp 192.0.2.1:3128: connect: connection "
            "refused"
        ),
        f'Get "https://{HOST}/v2/": Proxy Authentication Required',
        'Could not connect to the endpoint URL: "https://api.ecr.eu-centrl-1.amazonaws.com/"',
        (
            "error pulling image configuration: download failed after attempts=6: dial tcp "
            "192.0.2.1:443: i/o timeout"
        ),
        f'Post "https://{HOST}/v2/acme/blobs/uploads/": EOF',
        (
            "error pulling image configuration: error parsing HTTP 403 response body: invalid "
            "character '<' looking for beginning of value: "
            '"<?xml version=\\"1.0\\"?>\\n<Error><Code>AccessDenied</Code></Error>"'
        ),
    ],
    "store": [
        (
            'Error saving credentials: error storing credentials - err: exec: "docker-credential-'
            'desktop": executable file not found in $PATH, out: ``'
        ),
        f"{STORING} `Cannot autolaunch D-Bus without X11 $DISPLAY`",
        f"{STORING} `pass not initialized: exit status 1: Error: password store is empty.`",
        f"{STORING} `User interaction is not allowed.`",
        f"{STORING} `The stub received bad data.`",
        (
            "GDBus.Error:org.freedesktop.DBus.Error.ServiceUnknown: The name org.freedesktop.secrets "
            "was not provided by any .service files"
        ),
        (
            "docker.credentials.errors.InitializationError: docker-credential-gcloud not installed or "
            "not available in PATH"
        ),
    ],
    "login-refused": [
        (
            f"Error response from daemon: login attempt to https://{HOST}/v2/ \nfailed with status: "
            "400 Bad Request"
        ),
        f'Error: logging into "{HOST}": invalid username/password',
    ],
    "empty-password": [
        "Error: Cannot perform an interactive login from a non TTY device",
        (
            "Password: Error: getting username and password: reading password: inappropriate ioctl for "
            "device"
        ),
    ],
    "no-host": [
        (
            "Error response from daemon: pull access denied for acme/server, repository does not exist "
            "or may require 'docker login': denied: requested access to the resource is denied"
        ),
        (
            "pull access denied, repository does not exist or may require authorization: server "
            "message: insufficient_scope: authorization failed"
        ),
    ],
    "no-session": [
        f'Error response from daemon: Head "{MANIFEST}": no basic auth credentials',
        (
            f"initializing source docker://{IMAGE}: reading manifest 1.1 in {HOST}/acme/server: "
            "unauthorized: authentication required"
        ),
        (
            f'Error parsing image name "docker://{IMAGE}": Error reading manifest 1.1 in '
            f"{HOST}/acme/server: unauthorized: Not Authorized"
        ),
        f"Error: unexpected status from HEAD request to {MANIFEST}: 401 \nUnauthorized",
        (
            f'failed to resolve image "{IMAGE}": no available registry endpoint: unexpected status '
            f"code {MANIFEST}: 401 Unauthorized"
        ),
        "failed to authorize: failed to fetch anonymous token:\nunexpected status code 401",
        "failed to solve: failed to fetch oauth token: unexpected status: 401 Unauthorized",
        (
            f"{RPC} Error response from daemon: pull access denied for {HOST}/acme/server, repository "
            "does not exist or may require 'docker login'"
        ),
        "ERROR: denied: Not Authorized",
        (
            f'failed to download "oci://{HOST}/acme/chart" at version "1.0": basic credential not '
            "found"
        ),
    ],
    "secret-race": [
        (
            'Operation cannot be fulfilled on secrets "acme": the object has been modified; please '
            "apply your changes to the latest version and try again"
        ),
    ],
    "forbidden": [
        "Requesting bearer token: invalid status code from registry 403 (Forbidden)",
        (
            f'Failed to pull image "{IMAGE}": failed to resolve reference "{IMAGE}": unexpected status '
            f"from HEAD request to {MANIFEST}: 403 Forbidden\n  Warning  Failed   5s  kubelet  Error: "
            "ErrImagePull\n  Warning  Failed   4s  kubelet  Error: ImagePullBackOff"
        ),
        f"Error: GET {MANIFEST}: unexpected status code 403 Forbidden",
    ],
    "kubernetes": [
        "Warning  Failed  Error: ImagePullBackOff",
        (
            "FailedToRetrieveImagePullSecret  3s  kubelet  Unable to retrieve some image pull secrets "
            "(acme-pull); attempting to pull the image may not succeed."
        ),
    ],
}
