"""Tools on a machine: Docker and the like, signed in with the profile or from the environment."""

from dataclasses import replace

from provisioning.instructions.stored import env_file
from provisioning.instructions.target import (
    LASTS,
    NO_PROFILE,
    SECRET_HERE,
    Block,
    Instruction,
    PullTarget,
)


def on_machines(target: PullTarget) -> list[Instruction]:
    pull = Block("Pull.", f"docker pull {target.image}")
    return [
        Instruction(
            "docker-aws-cli-2",
            "Docker, AWS CLI 2",
            "Works with AWS CLI 1 from 1.17.10 as well.",
            (Block(LASTS, target.login("docker login", target.profile_options)), pull),
        ),
        Instruction(
            "docker-aws-cli-1",
            "Docker, AWS CLI 1",
            "Only for AWS CLI 1, which AWS no longer develops: plan to move to version 2. From "
            "1.17.10 on, use the tab for AWS CLI 2: here the token appears in the process list "
            "for a moment.",
            (
                Block(LASTS, f"$(aws ecr get-login --no-include-email {target.profile_options})"),
                pull,
            ),
        ),
        Instruction(
            "docker-credential-helper",
            "Docker, credential helper",
            "Signs in by itself when needed: best for servers. Install "
            "amazon-ecr-credential-helper first.",
            (
                Block(
                    "Let Docker ask the helper for this registry: merge this into the file.",
                    f'{{"credHelpers": {{"{target.host}": "ecr-login"}}}}',
                    file="~/.docker/config.json",
                ),
                Block("Pull.", f"AWS_PROFILE={target.profile} docker pull {target.image}"),
            ),
        ),
        _environment_variables(target, pull),
        _env_file(target, pull),
        _compose(target),
        _podman(target),
        _skopeo(target),
        *_containerd(target),
        _helm(target),
        _powershell(target),
    ]


def _environment_variables(target: PullTarget, pull: Block) -> Instruction:
    return Instruction(
        "environment-variables",
        "Environment variables",
        f"For bash and zsh. {NO_PROFILE}",
        (
            Block(
                "It waits for the access key id, then for the secret access key, which it does "
                "not show. Neither is kept in the shell's history.",
                "read -r AWS_ACCESS_KEY_ID && read -rs AWS_SECRET_ACCESS_KEY && "
                "export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY",
            ),
            Block(LASTS, target.login("docker login", target.region_options)),
            pull,
        ),
    )


def _env_file(target: PullTarget, pull: Block) -> Instruction:
    stored = env_file(target.profile, target.access_key_id, SECRET_HERE)
    return Instruction(
        "env-file",
        ".env file",
        f"Keep the file out of git, and save it with the line ends of Unix. {NO_PROFILE}",
        (
            replace(stored, caption="Put in the secret access key, without quotes."),
            Block(
                "Make the file private, and load it into the shell.",
                f"chmod 600 {stored.file} && set -a && . {stored.file} && set +a",
            ),
            Block(LASTS, target.login("docker login", target.region_options)),
            pull,
        ),
    )


def _compose(target: PullTarget) -> Instruction:
    return Instruction(
        "docker-compose",
        "Docker Compose",
        "Compose uses Docker's sign-in, including the credential helper.",
        (
            Block(
                "Name the image as a service.",
                f"services:\n  {target.folder}:\n    image: {target.image}\n",
                file="compose.yaml",
            ),
            Block(LASTS, target.login("docker login", target.profile_options)),
            Block("Pull; “docker compose up” does so by itself.", "docker compose pull"),
        ),
    )


def _podman(target: PullTarget) -> Instruction:
    plain = "--tls-verify=false " if target.is_plain_http else ""
    return Instruction(
        "podman",
        "Podman",
        "",
        (
            Block(LASTS, target.login(f"podman login {plain}".strip(), target.profile_options)),
            Block("Pull.", f"podman pull {plain}{target.image}"),
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
            Block(LASTS, target.login(login, target.profile_options)),
            Block(
                "Copy the image into a folder, as an OCI layout.",
                f"skopeo copy {plain}docker://{target.image} oci:{target.folder}:{target.tag}",
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
            "",
            (
                Block(
                    LASTS, target.login(f"nerdctl {insecure}login".strip(), target.profile_options)
                ),
                Block("Pull.", f"nerdctl {insecure}pull {target.image}"),
            ),
            unproven="nerdctl is in no package archive that our tests can install from.",
        ),
        Instruction(
            "containerd",
            "containerd",
            "As root, on a machine without nerdctl. ctr keeps no session, and the token appears "
            "in the process list while it pulls.",
            (Block("Pull.", f'ctr images pull {plain}--user "AWS:$({token})" {target.image}'),),
        ),
    ]


def _helm(target: PullTarget) -> Instruction:
    plain = " --plain-http" if target.is_plain_http else ""
    return Instruction(
        "helm",
        "Helm",
        "For repositories with a chart. Name one version: for a range Helm lists the tags, which "
        "customers may not do.",
        (
            Block(LASTS, target.login(f"helm registry login{plain}", target.profile_options)),
            Block("Pull.", f"helm pull{plain} oci://{target.uri} --version {target.tag}"),
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
            Block(LASTS, f'cmd /c "{login}"', console="powershell"),
            Block("Pull.", f"docker pull {target.image}", console="powershell"),
        ),
        unproven="It needs Windows; our tests run on Linux.",
    )
