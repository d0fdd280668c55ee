"""Time zones by their IANA names, such as `Europe/Berlin`."""

from __future__ import annotations

from datetime import UTC, tzinfo

from promptctl.errors import UsageError, printable
from promptctl.files.names import did_you_mean


def zone_named(name: str) -> tzinfo:
    """Return the zone of an IANA name. Raises `UsageError` for any other, and on a machine that knows no zones."""
    if name == "UTC":
        return UTC
    import zoneinfo  # files that name no zone do not load it

    try:
        if _is_public(name):
            return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # no plain name, a folder of zones, none of that name
        pass
    # The signs of `Etc/GMT+2` are the other way round than people write them: it is never proposed.
    known = sorted(each for each in zoneinfo.available_timezones() if _is_public(each) and "GMT" not in each)
    if not known:
        message = f"the time zone `{printable(name)}` is not known: this machine has no time zone database"
        raise UsageError(message, hint="pip install tzdata")
    ending = f"/{name}".rpartition("/")[2].replace(" ", "_").casefold()
    same = [each for each in known if f"/{each}".casefold().endswith(f"/{ending}")]
    near = f"did you mean `{min(same, key=len)}`?" if ending and same else did_you_mean(name, known)
    raise UsageError(
        f"`{printable(name)}` is not a time zone", hint=near or "write an IANA name, such as Europe/Berlin, or UTC"
    )


def _is_public(name: str) -> bool:
    """Return False for `localtime`, which differs by machine, and for `right/…`, which counts leap seconds."""
    return name[:1].isupper()
