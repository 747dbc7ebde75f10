"""Names that people gave, as names of files and folders."""

import hashlib
from urllib.parse import quote

# Characters, quoted; a file's name has at most 255 bytes.
LONGEST_NAME = 180


def file_name(name: str) -> str:
    """A name without what no file's may hold, quoted; `.` and `..` are no names, long ones are cut
    and told apart by a digest. Different names stay different."""
    quoted = quote(name, safe=" ")
    if len(quoted) > LONGEST_NAME or not quoted.strip("."):
        digest = hashlib.sha256(name.encode()).hexdigest()[:12]
        return f"{quoted[:LONGEST_NAME].strip('.')}-{digest}"
    return quoted
