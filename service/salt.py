"""Who may share cached prompt beginnings: nobody but a tenant with itself.

A shared prefix cache leaks by timing whether another tenant sent the same beginning (CVE-2025-46570), and would hand
a steered request the hidden states of another style. So every request carries a salt made here; a client's own is
never looked at.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from service.steering_spec import SteeringSpec


class CacheSalts:
    """Makes the salts of one process. `secret` None: a new one, so salts say nothing across restarts."""

    def __init__(self, secret: str | None = None) -> None:
        self._secret = secret.encode() if secret else secrets.token_bytes(32)

    def salt_of(self, tenant: str, steering: SteeringSpec | None) -> str:
        """Give the salt of a tenant's request: what it is steered by is a part of it."""
        return self.salt(tenant, steering.salt) if steering else self.salt(tenant)

    def salt(self, tenant: str, *parts: str) -> str:
        """Give the salt of a tenant and of whatever else changes hidden states (adapter, steering)."""
        message = b"\0".join(part.encode() for part in (tenant, *parts))
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
