"""What clients print when they cannot pull, the cause of each error, and what to do about it.
Pure data, compared with a text by ``provisioning.diagnosis.matching``."""

from dataclasses import dataclass

LOGIN = (
    "aws ecr get-login-password --region {region} --profile {profile} | "
    "docker login --username AWS --password-stdin {host}"
)
WHO = "aws sts get-caller-identity --profile {profile}"
PULL = "docker pull {image}"
OURS = r"\.dkr\.ecr\."
# In the list of commands of an AWS CLI that has it.
KNOWS_IT = r"get-login-password \|? ?(?:wait|help|get-|initiate|list)"


@dataclass(frozen=True)
class ClientError:
    """``says`` is how a person would quote it; ``patterns`` find it in a text on one line,
    ignoring case, ``unless`` another pattern is in it, too. ``commands`` carry out the remedy;
    ``{region}``, ``{profile}``, ``{host}`` and ``{image}`` stand for the product's."""

    slug: str
    says: str
    patterns: tuple[str, ...]
    cause: str
    remedy: str
    commands: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()

    def commands_for(self, **values: str) -> list[str]:
        """The commands, filled in with ``region``, ``profile``, ``host`` and ``image``."""
        return [command.format(**values) for command in self.commands]


# Errors with one certain cause come before those that several causes share: where a text has
# several, the first explains the others.
CLIENT_ERRORS = (
    # --- The request to AWS ----------------------------------------------------------
    ClientError(
        "clock",
        "Signature expired; RequestExpired; Signature not yet current",
        (
            r"Signature expired",
            r"Signature not yet current",
            r"RequestExpired",
            r"RequestTimeTooSkewed",
            r"certificate has expired or is not yet valid",
            r"certificate is not (?:yet|valid) (?:valid|yet)",
        ),
        "The machine's clock is wrong by more than five minutes, and AWS rejects requests whose "
        "time differs that much.",
        "Set the clock and keep it in sync. A virtual machine or container uses the clock of its "
        "host.",
        ("sudo timedatectl set-ntp true",),
    ),
    ClientError(
        "carriage-return",
        "Invalid header value b'AWS4-HMAC-SHA256 …\\r'",
        (r"(?:invalid|illegal) header value", r"\$'\\r'", r"Credential=\S{1,40}\\r"),
        "The access key id ends with an invisible carriage return: the file that holds it was "
        "saved with Windows line endings.",
        "Remove them from the file that holds the key, then sign in again.",
        (r"sed -i 's/\r$//' ~/.aws/credentials",),
    ),
    ClientError(
        "space-in-key",
        "IncompleteSignature: not a valid key=value pair in Authorization header",
        (r"IncompleteSignature", r"not a valid key=value pair"),
        "The access key id has a blank, a quotation mark or a line break around it.",
        "Store both values again, without anything around them. In a pipeline, look at the value "
        "of the variable.",
        ("aws configure --profile {profile}",),
    ),
    ClientError(
        "signature",
        "InvalidSignatureException; SignatureDoesNotMatch",
        (r"signature we calculated does not match", r"SignatureDoesNotMatch"),
        "AWS knows the access key id, but the secret access key does not belong to it: it was cut "
        "short while copying, is another key's, or ends with an invisible carriage return because "
        "the file was saved on Windows.",
        "Store both values again. If the secret is lost, an owner or an engineer can create a new "
        "key.",
        ("aws configure --profile {profile}",),
    ),
    ClientError(
        "session-token",
        "ExpiredTokenException: the security token included in the request is expired",
        (
            r"ExpiredToken",
            r"security token included in the request is expired",
            r"provided token has expired",
            r"Token has expired and refresh failed",
            r"Error loading SSO Token",
            r"SSO session (?:associated with this profile )?has expired",
        ),
        "The AWS CLI used credentials of another kind: a session of your own AWS account, left "
        "over in AWS_SESSION_TOKEN or in another profile. Pull users have no session token.",
        "Remove the left-over variables, and name the profile.",
        ("unset AWS_SESSION_TOKEN AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_PROFILE", WHO),
    ),
    ClientError(
        "key",
        "UnrecognizedClientException; InvalidClientTokenId: the security token is invalid",
        (
            r"UnrecognizedClient",
            r"InvalidClientTokenId",
            r"InvalidAccessKeyId",
            r"security token included in the request is invalid",
            r"access key id you provided does not exist",
            r"invalid security token",
        ),
        "AWS does not know the access key id, or it is no longer active: it was mistyped, was "
        "replaced by a newer key, or the access has ended. Or AWS_SESSION_TOKEN is left over from "
        "another session. A key that is a minute old may not be known everywhere yet.",
        "Compare the id that your machine uses with the one in the check: this shows its end and "
        "where it comes from. If they are the same and the check says that the key is active, "
        "write to your vendor.",
        ("unset AWS_SESSION_TOKEN", "aws configure list --profile {profile}"),
    ),
    ClientError(
        "credentials-file",
        "Unable to parse config file: ~/.aws/credentials",
        (
            r"unable to parse config file",
            r"ConfigParseError",
            r"SharedConfigLoadError",
            r"failed to load shared config",
            r"contains no section headers",
            r"\.aws[/\\]\S{0,60} ?:? ?(?:permission denied|access is denied)",
            r"(?:permission denied|access is denied):? '?\S{0,200}\.aws[/\\]",
        ),
        "The file that holds the credentials cannot be read: it is damaged, for example by an "
        "editor that saved it with a byte order mark or a line before the first [profile], or it "
        "belongs to another user of the machine.",
        "Store the values again: that writes the file again, as the user who pulls.",
        ("aws configure --profile {profile}",),
    ),
    ClientError(
        "no-credentials",
        "Unable to locate credentials; The config profile could not be found",
        (
            r"Unable to locate credentials",
            r"(?:unable|failed|not) (?:to )?(?:load|retrieve|find|refresh) .{0,40}credentials",
            r"credentials could not be loaded",
            r"could not load credentials",
            r"config profile \(?[^)]{1,200}\)? could not be found",
            r"failed to get shared config profile",
            r"Partial credentials",
            r"NoCredentialProviders",
            r"no valid credential sources",
            r"no valid providers in chain",
            r"get (?:identity|credentials): failed to refresh cached credentials",
            r"EnvAccessKeyNotFound",
            r"no EC2 IMDS role found",
            r"you can configure credentials by running",
        ),
        "The AWS CLI, or the credential helper, found no credentials: they are stored for another "
        "user of the machine (sudo changes the user), under another profile, or not where the "
        "daemon looks for them.",
        "As the user who pulls, store the credentials, and name the profile. For a daemon, set "
        "AWS_PROFILE or the variables in the service's own environment.",
        ("aws configure --profile {profile}", WHO),
    ),
    ClientError(
        "region",
        "You must specify a region; Region is missing",
        (
            r"must specify a region",
            r"region is missing",
            r"missing region",
            r"MissingRegion",
            r"NoRegionError",
            r"(?:aws )?region (?:is|was) (?:not set|not specified|required|empty)",
            r"could not find region configuration",
            r"invalid region:? ",
            r"provided region_name .{0,60} doesn't match",
        ),
        "The tool does not know the region of the registry, or its name is mistyped.",
        "Name it, as the commands on the tab “Pull” do.",
        (LOGIN, "export AWS_DEFAULT_REGION={region}"),
    ),
    # --- The AWS CLI -----------------------------------------------------------------
    ClientError(
        "no-cli",
        "aws: command not found",
        (
            r"\baws: (?:command )?not found",
            r"command not found:? ?:? aws\b",
            r"'?aws'? is not recognized",
            r"exec: \"aws\": executable file not found",
            r"\baws: No such file or directory",
            r"No such file or directory: '?aws'",
        ),
        "The AWS CLI is not installed where the command runs, for example in the container of a "
        "pipeline.",
        "Install it there, or run the sign-in where it is.",
        ("aws --version",),
    ),
    ClientError(
        "cli-too-old",
        "Invalid choice: 'get-login-password'",
        (
            r"Invalid choice:? '?get-login-password",
            r"Unknown options: \S{0,60}get-login-password",
            r"argument (?:operation|command): Invalid choice, valid choices are",
            r"invalid choice: '?ecr\b",
        ),
        "The AWS CLI is older than 1.17.10, and knows no get-login-password.",
        "Install a newer one, or choose the tool “Docker, AWS CLI 1” on the tab “Pull”.",
        ("aws --version",),
        unless=(KNOWS_IT, r"Found invalid choice"),
    ),
    ClientError(
        "get-login",
        "Invalid choice: get-login",
        (
            r"Invalid choice:? '?get-login\b(?!-)",
            r"Invalid choice.{0,200}maybe you meant",
            r"argument (?:operation|command): Invalid choice(?!, valid)",
            r"Found invalid choice",
            KNOWS_IT,
        ),
        "AWS CLI 2 no longer has get-login, or the name of the command is mistyped.",
        "Copy the command that signs in; it works with AWS CLI 2, and 1 from 1.17.10.",
        (LOGIN,),
        unless=(r"Invalid choice:? '?get-login-password",),
    ),
    ClientError(
        "e-none",
        "unknown shorthand flag: 'e' in -e",
        (r"unknown shorthand flag: 'e'", r"-e none", r"flag provided but not defined: -e\b"),
        "get-login of AWS CLI 1 printed “-e none”, which Docker has not accepted since 17.06.",
        "Use the command that signs in instead; AWS CLI 1 has it from 1.17.10. With an older one, "
        "add --no-include-email to get-login.",
        (LOGIN,),
    ),
    # --- The machine -----------------------------------------------------------------
    ClientError(
        "helper-signs-in",
        "Error saving credentials: not implemented",
        (r"(?:saving|storing|erasing) credentials.{0,120}not implemented",),
        "The credential helper for ECR is set up on this machine. It signs in by itself, and has "
        "no use for “docker login”.",
        "Do not sign in: just pull. If “docker login” must run, set "
        "AWS_ECR_IGNORE_CREDS_STORAGE=true.",
        (PULL,),
    ),
    ClientError(
        "disk-full",
        "no space left on device",
        (r"no space left on device", r"disk quota exceeded", r"not enough (?:disk )?space"),
        "The machine's disk is full. This has nothing to do with the registry.",
        "Make room: this shows what Docker keeps, and the second removes what nothing uses.",
        ("docker system df", "docker system prune"),
    ),
    ClientError(
        "rootless",
        "cannot set up namespace; insufficient UIDs or GIDs; RunRoot is not writable",
        (
            r"newuidmap|newgidmap|/etc/subuid",
            r"insufficient UIDs or GIDs",
            r"cannot (?:set up|clone|re-exec)[^.]{0,40}namespace",
            r"RunRoot.{0,80}not writable",
            r"/run/user/\d{1,8}\S{0,60}: (?:no such file|permission denied)",
            r"XDG_RUNTIME_DIR",
        ),
        "Podman without root has no folder of its own on this machine: nobody of its user is "
        "signed in since the machine was started, or the user has no ids to give to containers. A "
        "session that was stored there is gone after a restart, too.",
        "Let the user's folder stay, then sign in and pull again.",
        ('loginctl enable-linger "$USER"', "podman system migrate"),
    ),
    ClientError(
        "home-not-writable",
        "Error saving credentials: open ~/.docker/config.json: permission denied",
        (
            r"\.docker\S{0,100} ?:? ?(?:permission denied|access is denied)",
            r"config\.json\S{0,20}: permission denied",
            r"(?:containers|registry)/auth\.json\S{0,20}: permission denied",
            r"(?:containers|\.docker|\.config)\S{0,60}: permission denied",
            r"(?:saving|storing) credentials.{0,160}(?:permission denied|read-only file system)",
            r"Error loading config file.{0,160}permission denied",
            r"/snap/docker/\S{0,200}(?:permission denied|no such file)",
        ),
        "The client may not write or read its own configuration: the folder belongs to another "
        "user, often because of an earlier “sudo docker login”, or Docker was installed as a snap "
        "and sees only a part of your home.",
        "Give the folder back to the user who pulls; a snap keeps its own under ~/snap/docker.",
        ('sudo chown -R "$USER" ~/.docker',),
    ),
    ClientError(
        "daemon",
        "Cannot connect to the Docker daemon; client version is too new",
        (
            r"Cannot connect to the Docker daemon",
            r"Is the docker daemon running",
            r"docker\.sock",
            r"docker_engine",
            r"error during connect",
            r"unable to resolve docker endpoint",
            r"failed to connect to the docker API",
            r"(?:cannot|unable to) connect to (?:the )?podman",
            r"permission denied while trying to connect",
            r"client version \S{1,12} is too (?:new|old)",
            r"(?:maximum|minimum) supported API version",
            r"docker: (?:command )?not found",
            r"'?docker'? is not recognized",
        ),
        "Docker's daemon is not running on this machine, you may not use it, or its version and "
        "the client's do not fit. This has nothing to do with the registry.",
        "Start it, or ask the machine's administrator to add you to the group docker. Where "
        "versions do not fit, update the older one, or set DOCKER_API_VERSION to the one that the "
        "message names. In GitLab, Docker in Docker needs a privileged runner.",
        ("sudo systemctl start docker",),
    ),
    # --- What AWS refuses -------------------------------------------------------------
    ClientError(
        "expired",
        "Your authorization token has expired. Reauthenticate and try again.",
        (r"authorization token has expired",),
        "A session lasts 12 hours. A session from another region gives the same error.",
        "Sign in again, with the region of the product. The credential helper does so by itself, "
        "and in Kubernetes the job that renews the pull secret.",
        (LOGIN,),
    ),
    ClientError(
        "may-not-push",
        "is not authorized to perform: ecr:InitiateLayerUpload",
        (
            r"not authorized to perform: ecr:(?:InitiateLayerUpload|UploadLayer|CompleteLayer)",
            r"not authorized to perform: ecr:(?:PutImage|CreateRepository|BatchDelete)",
        ),
        "Customers may pull. Nobody but your vendor may push, delete or create anything in its "
        "registry.",
        "Push to a registry of your own; its name is the beginning of the image's address.",
        ("docker tag {image} REGISTRY/REPOSITORY:TAG",),
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
        (WHO,),
    ),
    ClientError(
        "may-not-sign-in",
        "is not authorized to perform: ecr:GetAuthorizationToken",
        (r"not authorized to perform: ecr:GetAuthorizationToken",),
        "The AWS CLI used an identity that may not sign in to a registry: most often a role or "
        "user of your own AWS account, by AWS_PROFILE, a role of the machine, or variables.",
        "Name the profile: the command must show the pull user of the check. If it does, write to "
        "your vendor.",
        ("unset AWS_PROFILE AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN", WHO),
    ),
    ClientError(
        "may-not-list",
        "is not authorized to perform: ecr:ListImages",
        (
            r"not authorized to perform: ecr:(?:List|Describe)",
            r"(?:tags list|tags/list|_catalog).{0,120}\b(?:401|403|405)\b",
        ),
        "Customers may pull, but may not list tags and repositories in AWS.",
        "The tab “Images” lists them.",
    ),
    # --- The image's address ----------------------------------------------------------
    ClientError(
        "scheme",
        "lookup https: no such host; https:// before the registry",
        (
            r"https?://https?[:/]",
            r"\blookup https?\b",
            r"https?://.{0,300}invalid reference format",
            r"invalid reference format.{0,60}https?://",
        ),
        "The image's address begins with https://. Clients add that themselves.",
        "Leave it out.",
        (PULL,),
    ),
    ClientError(
        "reference",
        "invalid reference format; repository name must be lowercase",
        (
            r"invalid reference",
            r"invalid_reference",
            r"repository name (?:\([^)]{0,200}\) )?must be lowercase",
            r"(?:n't|not|unable to|failed to) parse (?:image )?reference",
            r"InvalidImageName",
            r"invalid (?:image name|tag format|repository name)",
            r"is not a valid repository/tag",
            r"requires (?:exactly|at least) (?:1|one) argument",
            r"must have a tag|missing (?:a )?tag",
        ),
        "The image's address is not spelled right: it has a capital, a blank or https://, "
        "is empty because a variable is, or still has the word TAG in it.",
        "Copy the address.",
        (PULL,),
    ),
    ClientError(
        "platform",
        "no matching manifest for linux/arm64",
        (
            r"no matching manifest for",
            r"exec format error",
            r"does not match the (?:detected|specified|expected)[^.]{0,40} platform",
            r"no (?:match for platform|child with platform)",
            r"no image found in (?:manifest list|image index)",
            r"operating system \S{1,20} cannot be used",
            r"cannot be used on this platform",
        ),
        "The image was not built for this machine's processor or operating system.",
        "Pull it for a platform that can be emulated, or ask your vendor for an image for yours. "
        "The tab “Images” lists the platforms of each.",
        ("docker pull --platform linux/amd64 {image}",),
    ),
    ClientError(
        "tag",
        "manifest unknown; manifest for … not found; Requested image not found",
        (
            r"manifest.unknown",
            r"manifest for \S{1,300} not found",
            r"Requested image not found",
            r"ImageNotFoundException",
            r"amazonaws\.com\S{1,300}: not found",
            r"no such manifest",
        ),
        "The repository is right, but it has no image with that tag or digest.",
        "Copy a tag from the tab “Images”. If it is there and fails, it has been deleted "
        "meanwhile: ask your vendor.",
        (PULL,),
    ),
    ClientError(
        "repository",
        "name unknown: The repository does not exist in the registry",
        (
            r"name.unknown",
            r"repository with name '[^']{1,300}' does not exist",
            r"repository name not known to registry",
            r"RepositoryNotFound",
            r"not found: does not exist or no pull access",
        ),
        "The registry has no repository of that name, or the address has another account or "
        "region.",
        "Copy the address. If it is the same, ask your vendor whether the repository was renamed.",
        (PULL,),
    ),
    # --- The way to AWS ----------------------------------------------------------------
    ClientError(
        "http",
        "server gave HTTP response to HTTPS client",
        (
            r"server gave HTTP response to HTTPS client",
            r"sent an HTTP request to an HTTPS server",
            r"first record does not look like a TLS handshake",
            r"malformed HTTP response",
            r"wrong version number",
        ),
        "Something between the machine and AWS speaks HTTP where HTTPS is expected: a proxy that "
        "is named with https://, or a registry that is configured as a mirror or as insecure.",
        "Name the proxy with http://, and take the registry out of insecure-registries.",
        ("docker info",),
    ),
    ClientError(
        "certificate",
        "x509: certificate signed by unknown authority; SSL validation failed",
        (
            r"x509:",
            r"certificate.verify.failed",
            r"SSL validation failed",
            r"self.signed certificate",
            r"unable to get (?:local )?issuer certificate",
            r"failed to verify certificate",
            r"UNABLE_TO_VERIFY",
            r"certificate signed by unknown authority",
        ),
        "Something between the machine and AWS presents its own certificate, usually a proxy of "
        "your organisation that inspects TLS. Or the machine's certificate authorities are old.",
        "Ask your network's administrator for the authority's certificate, and install it on the "
        "machine; for the AWS CLI, name the file in AWS_CA_BUNDLE; restart Docker afterwards.",
        ("openssl s_client -connect {host}:443 -servername {host} </dev/null",),
        unless=(r"certificate has expired or is not yet valid",),
    ),
    ClientError(
        "too-many-requests",
        "toomanyrequests: Rate exceeded",
        (
            r"toomanyrequests",
            r"too many requests",
            r"Rate exceeded",
            r"Throttling",
            r"pull rate limit",
        ),
        "Too many pulls at once. If the message mentions Docker Hub, it is about an image that is "
        "not your vendor's, often the base image of a build.",
        "Wait a minute and pull again; have fewer machines pull at the same time.",
    ),
    ClientError(
        "network",
        "Could not connect to the endpoint URL; no such host; TLS handshake timeout",
        (
            r"Could not connect to the endpoint",
            r"(?:connect|read) timeout on endpoint",
            r"Connection was closed before",
            r"EndpointConnectionError|ProxyConnectionError|ReadTimeoutError|ConnectTimeoutError",
            r"no such host",
            r"server misbehaving",
            r"i/o timeout",
            r"TLS handshake timeout",
            r"(?:connection|operation|request|connect) timed out",
            r"(?:context deadline|Client\.Timeout) exceeded",
            r"request canceled(?: while waiting)?",
            r"connection (?:refused|reset)",
            r"(?:network is unreachable|no route to host|broken pipe)",
            r"(?:name resolution|name or service not known|could not resolve host|getaddrinfo)",
            r"\b(?:ENOTFOUND|ETIMEDOUT|ECONNREFUSED|ECONNRESET|EAI_AGAIN)\b",
            r"\bdial tcp\b",
            r"(?:\"|'|unexpected|:) EOF\b",
            r"proxyconnect|proxy authentication|ProxyError|connect to (?:the )?proxy",
            r"\b407\b|tunnel connection failed",
            r"starport-layer-bucket",
            r"error parsing HTTP 403 response body|<Code>AccessDenied",
            r"client connection lost",
        ),
        "The machine cannot reach AWS, or the bucket from which ECR hands out the layers: a "
        "firewall or a VPC endpoint's policy is in the way, a proxy is not configured or wants a "
        "password, or the region's name is wrong.",
        "Allow the machine to reach three hosts by HTTPS: the registry, "
        "api.ecr.REGION.amazonaws.com, and, for the layers, "
        "prod-REGION-starport-layer-bucket.s3.REGION.amazonaws.com. The Docker "
        "daemon needs the proxy, with its user and password, in its own settings.",
        ("curl -sS -o /dev/null -w '%{{http_code}}\\n' https://{host}/v2/",),
        unless=(r"docker\.sock", r"\blookup https?\b", r"https?://https?[:/]"),
    ),
    # --- Signing in --------------------------------------------------------------------
    ClientError(
        "store",
        "error storing credentials; error getting credentials; executable file not found",
        (
            r"error (?:storing|saving|getting|erasing) credentials",
            r"docker-credential-\S{1,50}.{0,4} (?:executable file not found|not installed)",
            r"exec: \"docker-credential-",
            r"not found in native keychain",
            r"org\.freedesktop\.secrets|secretservice|autolaunch D-Bus",
            r"(?:pass|password store|store) (?:is |not )(?:un|not )?(?:initiali[sz]ed|empty)",
            r"credentials\.errors\.\w{1,40}",
            r"user interaction is not allowed",
            r"stub received bad data",
            r"specified logon session does not exist",
            r"gpg: (?:decryption|public key) ",
            r"credentials server|credential helper .{0,60}(?:not found|failed)",
            r"osxkeychain|wincred",
        ),
        "Docker's configuration names a program that stores credentials (credsStore or "
        "credHelpers), and that program is missing, locked, or fails on a machine without a "
        "desktop.",
        "Install or unlock it, or remove the entry from ~/.docker/config.json, and sign in again.",
        ("cat ~/.docker/config.json", LOGIN),
        unless=(r"credentials.{0,120}not implemented", r"permission denied"),
    ),
    ClientError(
        "login-refused",
        "docker login: 400 Bad Request; 401 Unauthorized; invalid username/password",
        (
            r"login attempt to \S{1,300}\s?failed with status: 40\d",
            r"invalid username/password",
            r"incorrect username or password",
            r"(?:unable to|error|failed to) log ?in.{0,160}40[013]",
        ),
        "The registry rejected the password: the token was changed on its way (old PowerShell does "
        "that in a pipe), is another region's, or an access key was used instead of it.",
        "The user is always AWS, and the password is what get-login-password prints. In PowerShell "
        "choose the tool of that name on the tab “Pull”.",
        (LOGIN,),
    ),
    ClientError(
        "empty-password",
        "Cannot perform an interactive login from a non TTY device; password is empty",
        (
            r"interactive login from a non.TTY",
            r"password is empty",
            r"password required",
            r"inappropriate ioctl for device",
            r"input device is not a TTY",
            r"must provide --username with --password-stdin",
            r"reading password",
        ),
        "The AWS CLI printed no token. Its own error is further up.",
        "Run its part by itself, and paste its output here.",
        ("aws ecr get-login-password --region {region} --profile {profile}",),
    ),
    ClientError(
        "no-host",
        "pull access denied for …; requested access to the resource is denied",
        (
            r"pull access denied",
            r"requested access to the resource is denied",
            r"insufficient_scope",
            r"docker\.io/library/",
        ),
        "The image's name does not start with a registry, so the client looked for it at Docker "
        "Hub.",
        "Use the full address of the image, including the account number.",
        (PULL,),
        unless=(OURS, r"not authorized to perform"),
    ),
    ClientError(
        "no-session",
        "no basic auth credentials; Not Authorized; 401 Unauthorized",
        (
            r"no basic auth credentials",
            r"basic credential not found",
            r"no credentials (?:available|found|provided)",
            r"credentials not found",
            r"(?:unauthorized|denied): (?:Not Authorized|authentication required)",
            r": unauthorized\b(?!:)",
            r"authentication required",
            r"authorization (?:failed|required)",
            r"\b401\b",
            r"failed to (?:authorize|fetch (?:anonymous|oauth) token)",
            r"pull access denied for \S{0,300}\.dkr\.ecr\.",
            r"may require (?:'docker login'|authorization)",
            r"no pull access",
        ),
        "The client has no session for this registry: not signed in, signed in as another "
        "user of the machine (sudo changes the user) or with other AWS credentials, or to another "
        "host. Podman forgets its session when the machine is restarted.",
        "Sign in as the user who pulls; for “sudo docker pull”, sign in with “sudo docker login”. "
        "Kubernetes needs a pull secret in the pod's namespace, named in imagePullSecrets.",
        (LOGIN,),
        unless=(
            r"not authorized to perform",
            r"authorization token has expired",
            r"login attempt to",
            r"(?:tags list|tags/list|_catalog).{0,120}\b401\b",
        ),
    ),
    # --- Kubernetes, and what says little ------------------------------------------------
    ClientError(
        "secret-race",
        "Operation cannot be fulfilled on secrets: the object has been modified",
        (r"object has been modified",),
        "Kubernetes: something else wrote the pull secret at the same moment, for example two "
        "renewals.",
        "Try again; only one job should renew each secret.",
    ),
    ClientError(
        "forbidden",
        "403 Forbidden",
        (
            r"\b403\b ?\(?forbidden",
            r"(?:status|code|response):? (?:code:? )?403\b",
            r"status code \[[^\]]{0,50}\]:? 403\b",
            r": 403\b",
        ),
        "The registry refused, and the client does not show the reason: the session or the pull "
        "secret has expired or is another's, or the repository is not open to you.",
        "Sign in again. In Kubernetes, look whether the pull secret is in the pod's namespace and "
        "was renewed in the last 12 hours. If that does not help, pull with Docker or Skopeo, "
        "which show the reason, and paste it here.",
        (LOGIN, "kubectl get secrets --field-selector type=kubernetes.io/dockerconfigjson"),
        unless=(
            r"not authorized to perform",
            r"(?:tags list|tags/list|_catalog).{0,120}\b403\b",
            r"authorization token has expired",
            r"login attempt to",
            r"tunnel connection failed",
        ),
    ),
    ClientError(
        "kubernetes",
        "ImagePullBackOff; ErrImagePull; FailedToRetrieveImagePullSecret",
        (
            r"ImagePullBackOff",
            r"ErrImagePull",
            r"Back-off pulling image",
            r"retrieve (?:some )?image ?pull ?secret",
            r"secrets? \"[^\"]{1,253}\" not found",
            r"\.dockerconfigjson",
        ),
        "Kubernetes could not pull, and gives the reason in the events of the pod. The pull secret "
        "must be in the pod's namespace, under the name in imagePullSecrets.",
        "Paste the events at the end of this here.",
        ("kubectl describe pod NAME",),
    ),
)
