"""What a person types and imports: the command, the client, the local stack."""
