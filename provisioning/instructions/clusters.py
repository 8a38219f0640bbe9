"""Kubernetes: a pull secret created by hand, and one that renews itself."""

from textwrap import dedent

from provisioning.instructions.stored import set_up
from provisioning.instructions.target import LASTS, SECRET_HERE, Block, Instruction, PullTarget

AWS_CLI_IMAGE = "public.ecr.aws/aws-cli/aws-cli:2.31.0"
KUBECTL_IMAGE = "registry.k8s.io/kubectl:v1.33.0"


def on_clusters(target: PullTarget) -> list[Instruction]:
    return [_by_hand(target), _renewed(target)]


def _by_hand(target: PullTarget) -> Instruction:
    return Instruction(
        "kubernetes",
        "By hand",
        "A pull secret is valid as long as its token, 12 hours: good for a trial. “Renewed” does "
        "it by itself. Each namespace needs a secret of its own.",
        (
            set_up(target.profile),
            Block(
                "Create the pull secret",
                f"kubectl create secret docker-registry {target.profile}{_in(target)} "
                f"--docker-server={target.host} --docker-username=AWS "
                f'--docker-password="$(aws ecr get-login-password {target.profile_options})" '
                "--dry-run=client -o yaml | kubectl apply -f -",
                when=LASTS,
                note="The same command renews it.",
            ),
            *_pod(target),
        ),
    )


def _renewed(target: PullTarget) -> Instruction:
    name = target.profile
    return Instruction(
        "kubernetes-cronjob",
        "Renewed",
        "Every four hours a job asks AWS for a new token and writes it into the one secret that it "
        "may touch: one run that fails does no harm. Each namespace needs all of this.",
        (
            Block(
                "Store the credentials",
                f"AWS_ACCESS_KEY_ID={target.access_key_id}\nAWS_SECRET_ACCESS_KEY={SECRET_HERE}\n",
                note="Put in the secret access key, without quotes.",
                file=f"{name}.env",
            ),
            Block(
                "Give them to the cluster",
                f"kubectl create secret generic {name}-aws{_in(target)} --from-env-file={name}.env",
                note="Then delete the file.",
            ),
            Block(
                "Create the pull secret that the job fills",
                f"kubectl create secret docker-registry {name}{_in(target)} "
                f"--docker-server={target.host} --docker-username=AWS "
                "--docker-password=renewed-soon",
            ),
            Block("The job and its rights", _manifests(target), file=f"{name}-renew.yaml"),
            Block(
                "Start it",
                f"kubectl apply{_in(target)} -f {name}-renew.yaml && "
                f"kubectl create job{_in(target)} --from=cronjob/{name}-renew {name}-first",
                note="The second command runs it for the first time.",
            ),
            *_pod(target),
        ),
    )


def _in(target: PullTarget) -> str:
    return f" --namespace {target.namespace}" if target.namespace else ""


def _pod(target: PullTarget) -> tuple[Block, Block]:
    return (
        Block(
            "Name the secret where the image is named",
            dedent(f"""\
                apiVersion: v1
                kind: Pod
                metadata:
                  name: {target.name}
                spec:
                  imagePullSecrets:
                    - name: {target.profile}
                  containers:
                    - name: {target.name}
                      image: {target.image}
                """),
            note="In a pod, or in the template of a deployment.",
            file="pod.yaml",
        ),
        Block("Pull", f"kubectl apply{_in(target)} -f pod.yaml"),
    )


def _manifests(target: PullTarget) -> str:
    """What the job may: read and patch one secret by its name, which it cannot create. Two
    containers, because the image that knows AWS has no kubectl, and the other no shell."""
    name = f"{target.profile}-renew"
    return dedent(f"""\
        apiVersion: v1
        kind: ServiceAccount
        metadata:
          name: {name}
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: Role
        metadata:
          name: {name}
        rules:
          - apiGroups: [""]
            resources: [secrets]
            resourceNames: [{target.profile}]
            verbs: [get, patch]
        ---
        apiVersion: rbac.authorization.k8s.io/v1
        kind: RoleBinding
        metadata:
          name: {name}
        roleRef:
          apiGroup: rbac.authorization.k8s.io
          kind: Role
          name: {name}
        subjects:
          - kind: ServiceAccount
            name: {name}
        ---
        apiVersion: batch/v1
        kind: CronJob
        metadata:
          name: {name}
        spec:
          schedule: "0 */4 * * *"
          concurrencyPolicy: Replace
          jobTemplate:
            spec:
              template:
                spec:
                  serviceAccountName: {name}
                  restartPolicy: OnFailure
                  securityContext:
                    runAsNonRoot: true
                    runAsUser: 65532
                    seccompProfile:
                      type: RuntimeDefault
                  volumes:
                    - name: patch
                      emptyDir:
                        medium: Memory
                  initContainers:
                    - name: token
                      image: {AWS_CLI_IMAGE}
                      envFrom:
                        - secretRef:
                            name: {target.profile}-aws
                      securityContext: &least
                        allowPrivilegeEscalation: false
                        readOnlyRootFilesystem: true
                        capabilities:
                          drop: [ALL]
                      volumeMounts: &patch
                        - name: patch
                          mountPath: /run/pull-secret
                      command: [/bin/sh, -euc]
                      args:
                        - |
                          password=$(aws ecr get-login-password {target.region_options})
                          auth=$(printf 'AWS:%s' "$password" | base64 --wrap=0)
                          config=$(printf '{{"auths": {{"{target.host}": {{"auth": "%s"}}}}}}' "$auth" | base64 --wrap=0)
                          printf 'data: {{".dockerconfigjson": "%s"}}\\n' "$config" > /run/pull-secret/patch.yaml
                  containers:
                    - name: secret
                      image: {KUBECTL_IMAGE}
                      securityContext: *least
                      volumeMounts: *patch
                      args: [patch, secret, {target.profile}, --patch-file=/run/pull-secret/patch.yaml]
        """)  # noqa: E501 - lines of a shell script
