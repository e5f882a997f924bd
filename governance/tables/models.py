"""Has no tables: Django tells only an app with a models module that a migration ran."""
