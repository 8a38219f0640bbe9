"""What people do with an organisation's members and invitations."""
