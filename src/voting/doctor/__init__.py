"""What `veche doctor` looks at in a deployment, and what it says of it."""
