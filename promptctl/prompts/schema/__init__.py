"""The parts of JSON Schema that need no library: what keywords ask, which formats there are, how a failure reads.

`promptctl.prompts.json_schema` is the way in.
"""
