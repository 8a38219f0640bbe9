"""The settings of the portal's work in AWS; part of ``portal.settings``."""

from datetime import timedelta

from portal import env

# Everything of the portal's in IAM lies under this path, so that its role can be held to it.
AWS_PATH = env.text("AWS_PATH", "/ecr-portal/")
AWS_LOGIN_POLICY_NAME = env.text("AWS_LOGIN_POLICY_NAME", "AmazonEC2ContainerRegistryLogin")
# Between two writes of one repository's policy, so that many approvals share a write.
REPOSITORY_PACE = timedelta(seconds=env.integer("REPOSITORY_PACE_SECONDS", 5))
# How long one AWS call may take: to connect, and to answer (seconds).
AWS_TIMEOUTS = (5, 20)
# Calls a second that all workers together ask of an account's service, or of one operation
# (AWS publishes no rates of IAM and of SetRepositoryPolicy).
# What is asked for pages leaves most of ECR's pace to the policies.
RATES: dict[str, float] = {"iam": 10, "ecr": 20, "sts": 10}
RATES |= {"SetRepositoryPolicy": 1, "DescribeImages": 5}
AWS_RATES = {} if env.boolean("EMBEDDED", default=False) else RATES

# How often ECR is asked for the images of a repository that somebody may pull from.
IMAGES_EVERY = timedelta(minutes=env.integer("IMAGES_MINUTES", 15, minimum=1))

# How old a key may become (0: as it likes), and how long a sealed secret waits.
KEY_LIFETIME = timedelta(days=env.integer("KEY_LIFETIME_DAYS", 90, minimum=0))
UNCLAIMED_AFTER = timedelta(days=env.integer("UNCLAIMED_DAYS", 7, minimum=1))
# How often AWS is read though nothing changed; how much later drift is looked at again, and
# whether it is then repaired.
OBSERVE_EVERY = timedelta(hours=env.integer("OBSERVE_HOURS", 12, minimum=1))
DRIFT_CONFIRM = timedelta(seconds=env.integer("DRIFT_CONFIRM_SECONDS", 60))
DRIFT_REPAIR = env.boolean("DRIFT_REPAIR", default=True)
