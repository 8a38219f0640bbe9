"""From entitlements to what should be true in AWS, and whose turn it is."""
