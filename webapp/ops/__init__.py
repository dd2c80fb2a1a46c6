"""What operations people need: health, the description of the API, commands."""
