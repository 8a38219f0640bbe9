"""On PostgreSQL the database refuses to empty the audit log, and guards its seals alike."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GUARD = """
CREATE TRIGGER accounts_auditevent_not_emptied
    BEFORE TRUNCATE ON accounts_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_auditevent_refuse();
CREATE TRIGGER accounts_auditseal_append_only
    BEFORE UPDATE OR DELETE ON accounts_auditseal
    FOR EACH ROW EXECUTE FUNCTION accounts_auditevent_refuse();
CREATE TRIGGER accounts_auditseal_not_emptied
    BEFORE TRUNCATE ON accounts_auditseal
    FOR EACH STATEMENT EXECUTE FUNCTION accounts_auditevent_refuse();
"""
UNGUARD = """
DROP TRIGGER accounts_auditseal_not_emptied ON accounts_auditseal;
DROP TRIGGER accounts_auditseal_append_only ON accounts_auditseal;
DROP TRIGGER accounts_auditevent_not_emptied ON accounts_auditevent;
"""


def guard(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(GUARD)


def unguard(apps: object, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(UNGUARD)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_audit_log_tells_changes_and_is_sealed")]
    operations = [migrations.RunPython(guard, unguard)]
