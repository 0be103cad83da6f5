"""Tools of MCP servers (Model Context Protocol): whatever a server says about them is a claim."""
