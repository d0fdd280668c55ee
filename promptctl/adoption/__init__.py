"""Prompts that are hard-coded in a program: found, written as files, and the call that takes the place of each."""
