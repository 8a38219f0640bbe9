"""What is written into AWS, and how long it may be. Pure."""
