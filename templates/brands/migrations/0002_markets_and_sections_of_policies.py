"""Add the markets of brands, and what scoring policies say besides the brand's own rules."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("brands", "0001_brands_rules_and_scoring_policies"),
    ]

    operations = [
        migrations.AddField(
            model_name="brand",
            name="markets",
            field=models.JSONField(
                db_default=models.Value([], models.JSONField()), default=list
            ),
        ),
        migrations.AddField(
            model_name="scoringpolicy",
            name="sections",
            field=models.JSONField(null=True),
        ),
    ]
