"""Which actions are about the person's own account: they go through allauth's pages."""

from accounts.audit.log import Action

ON_OWN_ACCOUNT = {
    Action.SIGNED_UP,
    Action.SIGNED_IN,
    Action.SIGNED_OUT,
    Action.FAILED_SIGN_IN,
    Action.CONFIRMED,
    Action.CHANGED_SIGN_IN,
    Action.LOCKED,
}
