"""How fast AWS is asked, where there is no Redis to keep it."""

from django.db import models


class Pace(models.Model):
    """When the next call of an account's service may go out (``provisioning.aws.limiter``)."""

    key = models.CharField(max_length=60, primary_key=True)
    # Seconds since the epoch: compared and set as a number, on every database alike.
    next_at = models.FloatField(default=0)

    def __str__(self) -> str:
        return self.key
