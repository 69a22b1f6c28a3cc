"""The arm `combined`: teacher and students added in log-odds (docs/protocol.md, The combination)."""
