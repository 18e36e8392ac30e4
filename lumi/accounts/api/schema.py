"""How the two ways to sign in stand in the OpenAPI document. Importing this registers them."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object


class TokenScheme(OpenApiAuthenticationExtension):
    """A bearer JWT."""

    target_class = "lumi.accounts.api.authentication.TokenAuthentication"
    name = "bearerAuth"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        """The scheme."""
        return build_bearer_security_scheme_object("HTTP_AUTHORIZATION", "Bearer", bearer_format="JWT")


class GatewayScheme(OpenApiAuthenticationExtension):
    """Not published: the header is an affair between the gateway and Lumi."""

    target_class = "lumi.accounts.api.authentication.GatewayAuthentication"
    name: list[str] = []

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """No scheme."""
        return []

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        """Nothing to add to an operation."""
        return []
