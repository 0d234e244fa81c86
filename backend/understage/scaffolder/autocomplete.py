"""Suggestions for form fields, by provider and resource. Integrations register providers; `api.autocomplete` asks them.

Requests and answers as in Backstage scaffolder-backend 4.2.0.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from understage.errors import InputError


class AutocompleteProvider(Protocol):
    """Suggests what a forge has, with the token of the person who fills in the form."""

    async def suggest(self, resource: str, token: str, context: Mapping[str, str]) -> list[dict[str, Any]]:
        """Items `{id, title?}`. Raises InputError `Invalid resource: <resource>` for what it does not know."""


class Autocomplete:
    """The providers by name (`github`, `gitlab` …)."""

    def __init__(self, providers: Mapping[str, AutocompleteProvider]) -> None:
        self._providers = dict(providers)

    async def suggest(
        self, provider: str, resource: str, token: str, context: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """The suggestions. Raises InputError for a provider that is not there, or an empty token."""
        if not token:
            raise InputError("Missing token query parameter")
        if provider not in self._providers:
            raise InputError(f"Unsupported provider: {provider}")
        return await self._providers[provider].suggest(resource, token, context)
