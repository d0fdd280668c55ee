"""The parts of JSON Schema that need no library: what keywords ask, which formats there are, how a failure reads.

`promptctl.schemas.json_schema` is the way in.
"""
