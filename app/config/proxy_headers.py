"""Headers that only proxies add. An open service uses them to notice requests that a proxy forwards from other
machines."""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

#: Each proxy appends its client's address. Developer tools send it too, with addresses of this machine.
FORWARDED_FOR: Final = b"x-forwarded-for"
# Matched by common words, since each product uses its own names.
_OF_PROXIES: Final = re.compile(
    rb"via|x-via|forwarded|forwarded-for|x-forwarded(-.*)?|front-end-https|x-host|x-(url-)?scheme|x-nginx-proxy"
    rb"|x-(request|queue)-start|x-cloud-trace-context|x-remote-(ip|addr|user)|remote-addr|proxy-.*|x-proxy.*"
    rb"|x-proxied.*"
    rb"|x-(original|envoy|azure|appengine|amzn|amz-cf|vercel|arr|nf|render|akamai|varnish|ssl|sucuri)(-.*)?"
    rb"|(cf|cdn|fly|fastly|cloudfront|tailscale|ngrok|do|incap|wl-proxy|ali-cdn|eo|true)-.*"
    rb"|.*(client|real|connecting|user|peer|source|src|originating)-?(ip|ipv4|ipv6|address|addr|proto|port)"
)
_SEPARATORS: Final = re.compile(r"[,;\s]+")
_MOST_REMEMBERED: Final = 1_024


@lru_cache(_MOST_REMEMBERED)
def is_of_a_proxy(name: bytes) -> bool:
    """Return whether a header, other than `X-Forwarded-For`, shows that a proxy forwarded the request."""
    return name != FORWARDED_FOR and _OF_PROXIES.fullmatch(name) is not None


def names_another_machine(value: bytes) -> bool:
    """Return whether a proxy header contains an address that is not loopback, in any form."""
    for part in _SEPARATORS.split(value.decode("latin-1")):
        text = part.rpartition("=")[2].strip('"')
        text = text[1:].partition("]")[0] if text.startswith("[") else text
        text = text.partition(":")[0] if text.count(":") == 1 else text
        try:
            address = ip_address(text)
        except ValueError:
            continue
        if not (getattr(address, "ipv4_mapped", None) or address).is_loopback:
            return True
    return False
