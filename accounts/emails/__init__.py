"""Emails: stored in the transaction of the action they report, sent by a worker."""
