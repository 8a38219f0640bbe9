"""The audit log: every action of a person, written in the action's transaction, for good."""
