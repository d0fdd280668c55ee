"""All that a dashboard knows: the calls of the log, what changed, what is wrong by stated rules, what it costs."""
