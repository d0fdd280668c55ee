"""JSON Schema: check values and schemas, check files, bundle what refers to other files, and compare two schemas.

`json_schema` is the way in for values, `structure` for files of ours, `references` for bundles, `changes` for
differences. `keywords` is the table of words that they all go by, `compiler` makes the checks, `words` the messages.
`library` asks jsonschema which schemas apply if references go beyond one scope.
"""
