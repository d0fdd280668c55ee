"""Handlebars, as Dotprompt speaks it: nothing is escaped, and there are no helpers but those it names."""
