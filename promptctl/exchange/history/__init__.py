"""The past that a registry kept of its prompts: versions to commits with their dates and authors, labels to labels."""
