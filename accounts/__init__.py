"""Who: people, the organisations they buy for, their roles, and the audit log."""
