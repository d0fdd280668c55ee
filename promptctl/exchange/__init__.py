"""Prompts of other tools' formats to files of ours, and back: what each says of the other is a note or a loss."""
