"""Add where an order's images are to be shown, and the name that scoring policies know it by."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("jobs", "0003_parent_of_an_order"),
    ]

    operations = [
        migrations.AddField(
            model_name="generationjob",
            name="market",
            field=models.CharField(blank=True, db_default="", default="", max_length=2),
        ),
        migrations.AddField(
            model_name="generationjob",
            name="template_slug",
            field=models.CharField(blank=True, db_default="", default="", max_length=60),
        ),
        migrations.AddIndex(
            model_name="generationjob",
            index=models.Index(fields=["brand_id", "market", "id"], name="job_by_market"),
        ),
    ]
