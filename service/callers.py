"""Who calls: a key becomes an owner's name, from which the key cannot be guessed."""

import hashlib
import hmac
from collections.abc import Sequence

from pydantic import SecretStr

from service.problems import Problem

LOCAL = "local"  # the only caller there is when no keys are set


class Callers:
    """The keys that open this service; none at all means that everybody is the same caller."""

    def __init__(self, keys: Sequence[SecretStr]) -> None:
        self.digests = [hashlib.sha256(key.get_secret_value().encode()).hexdigest() for key in keys]

    def identify(self, key: str | None) -> str:
        """The owner behind the key of an `Authorization: Bearer KEY` header. Raises Problem `invalid_api_key`."""
        if not self.digests:
            return LOCAL
        digest = hashlib.sha256((key or "").strip().encode("latin-1")).hexdigest()  # the header's bytes as they came
        known = [ours for ours in self.digests if hmac.compare_digest(ours, digest)]
        if key is None or not known:
            message = "this service wants a key it knows, as the header Authorization: Bearer KEY"
            raise Problem("invalid_api_key", message, headers={"WWW-Authenticate": "Bearer"})
        return f"key:{known[0][:16]}"
