"""The roles of staff, and the end of an audit trail that has no line yet."""

from django.contrib.auth.management import create_permissions
from django.db import migrations

from lumi import roles


def make_roles(apps, schema_editor):
    """Django makes permissions after all migrations only: on an empty database they are made here."""
    for app in apps.get_app_configs():
        app.models_module = True  # a migration's app has none, and would be passed over
        create_permissions(app, apps=apps, verbosity=0)
        app.models_module = None
    roles.make(apps.get_model("auth", "Group").objects, apps.get_model("auth", "Permission").objects)


def begin_trail(apps, schema_editor):
    """One row, that is locked while a line is written: made now, so that no two lines make it at one moment."""
    apps.get_model("lumi", "AuditHead").objects.get_or_create(pk=1)


class Migration(migrations.Migration):

    dependencies = [
        ("lumi", "0002_staff"),
        ("accounts", "0004_staff"),
        ("gallery", "0002_staff"),
        ("generation", "0003_staff"),
        ("interactions", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("otp_static", "0003_add_timestamps"),
        ("otp_totp", "0003_add_timestamps"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(make_roles, migrations.RunPython.noop),
        migrations.RunPython(begin_trail, migrations.RunPython.noop),
    ]
