"""A workspace's prompts: listed, shown, compared, copied; at their versions and under their labels."""
