"""What a customer may pull, and making it so in AWS."""
