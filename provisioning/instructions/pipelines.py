"""Pipelines: the service keeps the credentials and passes them as environment variables."""

from textwrap import dedent

from provisioning.instructions.target import Block, Instruction, PullTarget


def in_pipelines(target: PullTarget) -> list[Instruction]:
    login = target.login("docker login", target.region_options)
    return [_github(target, login), _gitlab(target, login), _jenkins(target, login)]


def _github(target: PullTarget, login: str) -> Instruction:
    return Instruction(
        "github-actions",
        "GitHub Actions",
        f"Store the two values as the secrets {target.variable}_ACCESS_KEY_ID and "
        f"{target.variable}_SECRET_ACCESS_KEY of the repository or the organisation. GitHub masks "
        "the registry's host in the outputs of a job: write the image out in each job.",
        (
            Block(
                "A job that signs in and pulls",
                dedent(f"""\
                    name: Pull {target.name}
                    on: workflow_dispatch
                    permissions: {{}}
                    jobs:
                      pull:
                        runs-on: ubuntu-latest
                        steps:
                          - name: Sign in
                            env:
                              AWS_ACCESS_KEY_ID: ${{{{ secrets.{target.variable}_ACCESS_KEY_ID }}}}
                              AWS_SECRET_ACCESS_KEY: ${{{{ secrets.{target.variable}_SECRET_ACCESS_KEY }}}}
                            run: {login}
                          - name: Pull
                            run: docker pull {target.image}
                    """),  # noqa: E501 - a line of the file
                file=f".github/workflows/pull-{target.name}.yml",
            ),
        ),
    )


def _gitlab(target: PullTarget, login: str) -> Instruction:
    return Instruction(
        "gitlab-ci",
        "GitLab CI",
        "Store AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY as masked and protected variables of "
        "the project or the group. The runner must be privileged, because the job runs Docker in "
        "Docker. A job's own image (“image:”) is pulled before the job: for that one, store a "
        "DOCKER_AUTH_CONFIG with the credential helper on the runner.",
        (
            Block(
                "A job that signs in and pulls",
                dedent(f"""\
                    stages: [pull]

                    pull-{target.name}:
                      stage: pull
                      image: docker:28
                      services: [docker:28-dind]
                      before_script:
                        - apk add --no-cache aws-cli
                      script:
                        - {login}
                        - docker pull {target.image}
                    """),
                file=".gitlab-ci.yml",
            ),
        ),
    )


def _jenkins(target: PullTarget, login: str) -> Instruction:
    return Instruction(
        "jenkins",
        "Jenkins",
        f"Store the access key id and the secret access key as the credentials {target.profile}, "
        "of the kind “Username with password”.",
        (
            Block(
                "A pipeline that signs in and pulls",
                dedent(f"""\
                    pipeline {{
                      agent any
                      stages {{
                        stage('Pull') {{
                          steps {{
                            withCredentials([usernamePassword(
                              credentialsId: '{target.profile}',
                              usernameVariable: 'AWS_ACCESS_KEY_ID',
                              passwordVariable: 'AWS_SECRET_ACCESS_KEY'
                            )]) {{
                              sh '{login}'
                            }}
                            sh 'docker pull {target.image}'
                          }}
                        }}
                      }}
                    }}
                    """),
                note="On an agent with Docker and the AWS CLI.",
                file="Jenkinsfile",
            ),
        ),
    )
