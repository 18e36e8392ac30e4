"""Roles of staff: groups, and what each may do. A migration makes them; what an installation adds to one stays.

A release that adds a permission names it here, and makes the roles again in a migration of its own.
"""

from typing import Any

ALL = "*"
MODERATOR, OPERATOR, ADMINISTRATOR = "moderator", "operator", "administrator"

# By role and app; ALL stands for whatever the app knows.
ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    MODERATOR: {
        "accounts": ("view_user", "view_strike", "view_notice", "suspend_user"),
        "gallery": ("view_model", "view_report", "view_decision", "view_appeal", "moderate_model"),
        "generation": ("view_generationrequest", "view_generatedimage"),
        "lumi": ("view_filterrule", "add_filterrule", "change_filterrule", "delete_filterrule"),
    },
    OPERATOR: {
        "gallery": ("view_model",),  # which a job's page shows in 3D
        "generation": (
            "view_generationrequest",
            "view_generatedimage",
            "view_imagegenerationjob",
            "view_modelgenerationjob",
            "view_jobevent",
            "view_providercall",
            "view_providergate",
            "view_breaker",
            "view_queuepause",
            "add_queuepause",
            "delete_queuepause",
            "operate_jobs",
        ),
    },
    ADMINISTRATOR: {
        "accounts": (ALL,),
        "auth": (ALL,),
        "gallery": (ALL,),
        "generation": (ALL,),
        "interactions": (ALL,),
        "lumi": (ALL,),
    },
}


def make(groups: Any, permissions: Any) -> None:
    """Make the groups, and give each what it lacks. Takes nothing away. `groups`, `permissions`: the managers, of the
    present models or of a migration's. Raises LookupError for a permission that is not there."""
    for role, apps in ROLES.items():
        group, _ = groups.get_or_create(name=role)
        group.permissions.add(*(found for app, names in apps.items() for found in named(permissions, app, names)))


def named(permissions: Any, app: str, names: tuple[str, ...]) -> list[Any]:
    """An app's permissions of these names. Raises LookupError."""
    of_app = permissions.filter(content_type__app_label=app)
    found = list(of_app if names == (ALL,) else of_app.filter(codename__in=names))
    if not found or (names != (ALL,) and len(found) != len(names)):
        raise LookupError(f"no such permission: {app}: {set(names) - {one.codename for one in found}}")
    return found
