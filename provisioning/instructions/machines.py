"""Tools on a machine: Docker and the like, signed in with the profile or from the environment."""

from dataclasses import replace

from provisioning.instructions.stored import env_file, set_up
from provisioning.instructions.target import (
    LASTS,
    ONCE,
    SECRET_HERE,
    Block,
    Instruction,
    PullTarget,
)

# A credential helper cannot store a session: docker-credential-helpers answers "not implemented".
NO_LOGIN = (
    "From then on the helper alone signs in to this registry: “docker login” for it fails with "
    "“not implemented”. To go back, take the line out of the file."
)
SESSION_VARIABLES = (
    "If AWS_SESSION_TOKEN or AWS_PROFILE is set in this shell, unset it first: it would win."
)


def on_machines(target: PullTarget) -> list[Instruction]:
    return [
        _docker(target),
        _credential_helper(target),
        _podman(target),
        _compose(target),
        _skopeo(target),
        *_containerd(target),
        _environment_variables(target),
        _env_file(target),
        _powershell(target),
        _docker_with_old_cli(target),
    ]


def for_charts(target: PullTarget) -> list[Instruction]:
    return [_helm(target)]


def _pull(target: PullTarget) -> Block:
    return Block("Pull", f"docker pull {target.image}")


def _sign_in(target: PullTarget, tool: str = "docker login") -> Block:
    return Block("Sign in", target.login(tool, target.profile_options), when=LASTS)


def _docker(target: PullTarget) -> Instruction:
    return Instruction(
        "docker",
        "Docker",
        "With AWS CLI 2, or 1 from 1.17.10 on. Sign in as the user who pulls: “sudo docker pull” "
        "looks for root's sign-in.",
        (set_up(target.profile), _sign_in(target), _pull(target)),
    )


def _docker_with_old_cli(target: PullTarget) -> Instruction:
    sign_in = f"$(aws ecr get-login --no-include-email {target.profile_options})"
    return Instruction(
        "docker-aws-cli-1",
        "Docker, AWS CLI 1",
        "Only for AWS CLI 1 before 1.17.10, which AWS no longer develops: the token appears in the "
        "process list for a moment. With any newer one, use “Docker”.",
        (set_up(target.profile), Block("Sign in", sign_in, when=LASTS), _pull(target)),
    )


def _credential_helper(target: PullTarget) -> Instruction:
    return Instruction(
        "credential-helper",
        "Credential helper",
        "Docker signs in by itself when needed: best for servers. Install "
        "amazon-ecr-credential-helper first; Docker from a snap cannot run it.",
        (
            set_up(target.profile),
            Block(
                "Let Docker ask the helper",
                f'{{"credHelpers": {{"{target.host}": "ecr-login"}}}}',
                note=f"Merge this into the file. {NO_LOGIN}",
                file="~/.docker/config.json",
            ),
            Block("Pull", f"AWS_PROFILE={target.profile} docker pull {target.image}"),
        ),
    )


def _environment_variables(target: PullTarget) -> Instruction:
    return Instruction(
        "environment-variables",
        "Variables",
        f"For bash and zsh. {SESSION_VARIABLES}",
        (
            Block(
                "Enter the credentials",
                "read -r AWS_ACCESS_KEY_ID && read -rs AWS_SECRET_ACCESS_KEY && "
                "export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY",
                when="In each shell",
                note="It waits for the access key id, then for the secret access key, which it "
                "does not show. Neither is kept in the shell's history.",
                console="bash",
            ),
            Block("Sign in", target.login("docker login", target.region_options), when=LASTS),
            _pull(target),
        ),
    )


def _env_file(target: PullTarget) -> Instruction:
    stored = env_file(target.profile, target.access_key_id, SECRET_HERE)
    return Instruction(
        "env-file",
        ".env file",
        f"Keep the file out of git, and save it with the line ends of Unix. {SESSION_VARIABLES}",
        (
            replace(
                stored,
                title="Store the credentials",
                when=ONCE,
                note="Put in the secret access key, without quotes.",
            ),
            Block(
                "Load them",
                f"chmod 600 {stored.file} && set -a && . {stored.file} && set +a",
                when="In each shell",
                note="The first command lets nobody else read the file.",
            ),
            Block("Sign in", target.login("docker login", target.region_options), when=LASTS),
            _pull(target),
        ),
    )


def _compose(target: PullTarget) -> Instruction:
    return Instruction(
        "compose",
        "Compose",
        "Docker Compose uses Docker's sign-in, including the credential helper.",
        (
            set_up(target.profile),
            Block(
                "Name the image as a service",
                f"services:\n  {target.name}:\n    image: {target.image}\n",
                file="compose.yaml",
            ),
            _sign_in(target),
            Block("Pull", "docker compose pull", note="“docker compose up” does so by itself."),
        ),
    )


def _podman(target: PullTarget) -> Instruction:
    plain = "--tls-verify=false " if target.is_plain_http else ""
    return Instruction(
        "podman",
        "Podman",
        "Without root, Podman forgets its sign-in when the machine restarts: sign in again, or "
        "with --authfile into a file that stays.",
        (
            set_up(target.profile),
            _sign_in(target, f"podman login {plain}".strip()),
            Block("Pull", f"podman pull {plain}{target.image}"),
        ),
    )


def _skopeo(target: PullTarget) -> Instruction:
    login = "skopeo login --tls-verify=false" if target.is_plain_http else "skopeo login"
    plain = "--src-tls-verify=false " if target.is_plain_http else ""
    return Instruction(
        "skopeo",
        "Skopeo",
        "Copies an image without running it.",
        (
            set_up(target.profile),
            _sign_in(target, login),
            Block(
                "Copy",
                f"skopeo copy {plain}docker://{target.image} oci:{target.name}:{target.local_tag}",
                note="Into a folder of this name, as an OCI layout.",
            ),
        ),
    )


def _containerd(target: PullTarget) -> list[Instruction]:
    insecure = "--insecure-registry " if target.is_plain_http else ""
    plain = "--plain-http " if target.is_plain_http else ""
    token = f"aws ecr get-login-password {target.profile_options}"
    return [
        Instruction(
            "nerdctl",
            "nerdctl",
            "For images that Kubernetes on this machine should see, add “-n k8s.io”.",
            (
                set_up(target.profile),
                _sign_in(target, f"nerdctl {insecure}login".strip()),
                Block("Pull", f"nerdctl {insecure}pull {target.image}"),
            ),
            unproven="nerdctl is in no package archive that our tests can install from.",
        ),
        Instruction(
            "containerd",
            "containerd",
            "As root, on a machine without nerdctl. ctr keeps no session, and the token appears in "
            "the process list while it pulls. For images that Kubernetes on this machine should "
            "see, write “ctr -n k8s.io”.",
            (
                set_up(target.profile),
                Block("Pull", f'ctr images pull {plain}--user "AWS:$({token})" {target.image}'),
            ),
        ),
    ]


def _helm(target: PullTarget) -> Instruction:
    plain = " --plain-http" if target.is_plain_http else ""
    return Instruction(
        "helm",
        "Helm",
        "Name one version: for a range Helm lists the tags, which customers may not do.",
        (
            set_up(target.profile),
            _sign_in(target, f"helm registry login{plain}"),
            Block("Pull", f"helm pull{plain} oci://{target.uri} --version {target.version}"),
        ),
    )


def _powershell(target: PullTarget) -> Instruction:
    login = target.login("docker login", target.profile_options)
    return Instruction(
        "powershell",
        "PowerShell",
        "For PowerShell 5 and 7 on Windows. cmd does the piping: PowerShell 5 would change the "
        "token's encoding on its way.",
        (
            replace(set_up(target.profile), console="powershell"),
            Block("Sign in", f'cmd /c "{login}"', when=LASTS, console="powershell"),
            replace(_pull(target), console="powershell"),
        ),
        unproven="It needs Windows; our tests run on Linux.",
    )
