"""How the ways to come in stand in the OpenAPI document. Importing this registers them."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object

from lumi.accounts import tokens
from lumi.api.permissions import scope_for


class TokenScheme(OpenApiAuthenticationExtension):
    """A bearer JWT; or, where the view says of which scope, an API token."""

    target_class = "lumi.accounts.api.authentication.TokenAuthentication"
    name = ["bearerAuth", "apiToken"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, Any]]:
        """Both schemes."""
        signed_in = build_bearer_security_scheme_object("HTTP_AUTHORIZATION", "Bearer", bearer_format="JWT")
        script = build_bearer_security_scheme_object("HTTP_AUTHORIZATION", "Bearer", bearer_format=tokens.FORM.pattern)
        return [
            signed_in | {"description": "The access token of somebody who has signed in."},
            script | {"description": "A script's token. Each operation names the scope that it must have."},
        ]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        """Either of them."""
        scope = scope_for(auto_schema.view, auto_schema.method)
        return [{"bearerAuth": []}, *([{"apiToken": [scope]}] if scope else [])]


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
