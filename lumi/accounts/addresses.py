"""One spelling for each e-mail address, so that equal addresses are equal in Python, SQLite and MariaDB."""

from django.utils.encoding import punycode


def one_spelling(address: str) -> str:
    """Trimmed, lower case, an international domain in ASCII. Raises UnicodeError for an impossible domain.

    MariaDB's collation takes "exämple.com" for "example.com": without this, whoever owns the one could sign in as
    somebody of the other.
    """
    local, at, domain = address.strip().rpartition("@")
    return f"{local}{at}{punycode(domain)}".lower()
