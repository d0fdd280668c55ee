"""The costs of calls: added up, two versions compared, and what would make a prompt cheaper."""
