"""Backups of a deployment: made whole or not at all, told apart by a manifest, put back into an empty database."""
