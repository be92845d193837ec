"""The command line, one module per family of commands. Each imports only what it runs."""
