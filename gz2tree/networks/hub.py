"""The Hugging Face hub: asked where it can be reached, and quickly given up where it cannot."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants

from gz2tree.quiet import quiet

HUB_PREFIXES = ("hf_hub:", "hf-hub:")
"""How the names of timm's networks begin that are on the hub, not in timm itself."""
_PATIENCE = 5.0  # seconds


@contextmanager
def asking_the_hub() -> Iterator[None]:
    """Let the libraries inside ask the hub; where it is out of reach, only their local cache.

    On their own they try for a minute to reach it, file by file, and say so each time.
    """
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not _is_reachable(constants.ENDPOINT)
    try:
        with quiet(["huggingface_hub"], logging.ERROR):
            yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _is_reachable(endpoint: str) -> bool:
    if getproxies():  # a proxy reaches what this machine does not
        return True
    place = urlsplit(endpoint)
    port = place.port or (80 if place.scheme == "http" else 443)
    try:
        with socket.create_connection((place.hostname or "", port), timeout=_PATIENCE):
            return True
    except OSError:
        return False
