"""Headers that only proxies add, by which a service that is open to its own machine notices whom it is asked for."""

import re
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

#: Where each proxy adds whom it was asked by. Tools of developers send it, too, with addresses of this machine.
FORWARDED_FOR: Final = b"x-forwarded-for"
# By the words that the names have in common, since each product has names of its own.
_OF_PROXIES: Final = re.compile(
    rb"via|x-via|forwarded|forwarded-for|x-forwarded(-.*)?|front-end-https|x-host|x-(url-)?scheme|x-nginx-proxy"
    rb"|x-(request|queue)-start|x-cloud-trace-context|x-remote-(ip|addr|user)|remote-addr|proxy-.*|x-proxy.*|x-proxied.*"
    rb"|x-(original|envoy|azure|appengine|amzn|amz-cf|vercel|arr|nf|render|akamai|varnish|ssl|sucuri)(-.*)?"
    rb"|(cf|cdn|fly|fastly|cloudfront|tailscale|ngrok|do|incap|wl-proxy|ali-cdn|eo|true)-.*"
    rb"|.*(client|real|connecting|user|peer|source|src|originating)-?(ip|ipv4|ipv6|address|addr|proto|port)"
)
_SEPARATORS: Final = re.compile(r"[,;\s]+")
_MOST_REMEMBERED: Final = 1_024


@lru_cache(_MOST_REMEMBERED)
def is_of_a_proxy(name: bytes) -> bool:
    """Return whether a header, other than `X-Forwarded-For`, says that a proxy handed the request over."""
    return name != FORWARDED_FOR and _OF_PROXIES.fullmatch(name) is not None


def names_another_machine(value: bytes) -> bool:
    """Return whether a header of a proxy holds an address that is not loopback, in whatever form."""
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
