"""Where a call comes from."""

from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest


def address_of(request: HttpRequest) -> str:
    """The client's IP address. What `X-Forwarded-For` says is believed as far as our own proxies have written it:
    TRUSTED_PROXIES of them, counted from the right; anybody can write what stands further left."""
    said = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    count: int = settings.TRUSTED_PROXIES
    found = said[-count] if 0 < count <= len(said) else request.META.get("REMOTE_ADDR", "")
    try:
        return str(ip_address(found))
    except ValueError:
        return str(request.META.get("REMOTE_ADDR", ""))


def network_of(address: str) -> str:
    """What one customer of a provider has: an IPv4 address, or 2**64 IPv6 ones."""
    try:
        known = ip_address(address)
    except ValueError:
        return address
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return str(ip_network((known, 64), strict=False))
    return str(getattr(known, "ipv4_mapped", None) or known)
