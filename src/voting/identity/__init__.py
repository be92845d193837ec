"""Who is asking: accounts, passwords, sessions of browsers, and the guards that use them."""
