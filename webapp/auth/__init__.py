"""Who is calling: accounts, logins, tokens, and the guard that decides."""
