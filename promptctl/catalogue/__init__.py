"""What a workspace's prompts are: listed, shown, compared, copied; at their versions and under their labels."""
