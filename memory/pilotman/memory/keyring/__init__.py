"""Where the keys of owned content are kept: a folder, or a table of the server's database."""
