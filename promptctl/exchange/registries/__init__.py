"""Parts that the registries of prompts share: items of their files, messages, settings of models, names of labels."""
