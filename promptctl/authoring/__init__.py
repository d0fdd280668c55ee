"""Files that a model proposes: the prompts by which it is asked, and what is made of its replies."""
