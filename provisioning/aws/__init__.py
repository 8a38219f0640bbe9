"""The one package that knows AWS: what the engine may ask, and boto3 that asks it."""
