"""The lessons that one can chat about. A real service has them in its database."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """A content item. There is a prompt `tutor/<content_type>` for each type."""

    title: str
    content_type: str
    material: str


LESSONS = {
    "hash-tables": Lesson(
        "What a hash table is",
        "video",
        """\
[00:05] A hash table stores pairs of a key and a value, and finds the value of a key in one step on average.
[00:40] A hash function turns the key into a number, and that number names the bucket that holds the pair.
[01:30] Two keys in one bucket are a collision; we keep a short list in the bucket and look through it.
[02:15] When the table gets full, we double the number of buckets and put every pair into its new bucket.
[03:10] So a lookup is slow only if many keys collide, as with a bad hash function.
""",
    ),
    "big-o": Lesson(
        "How fast algorithms grow",
        "quiz",
        """\
1. Looking at every item of a list once takes n steps: that is O(n).
2. Comparing every item with every other item takes n times n steps: that is O(n²).
3. Halving what is left at each step, as in binary search, takes O(log n) steps.
4. A step that does not depend on the number of items, as reading one bucket, is O(1).
""",
    ),
}
