-- The owner of an installation's database on PostgreSQL, and the database. Run by a superuser; run
-- again, it changes nothing but the password:
--
--   psql -v ON_ERROR_STOP=1 -v owner_password=… -f docker/roles.sql
--
-- The owner migrates and owns every table; no process knows its password. It also makes the logins
-- of the processes (`manage.py roles --apply`), which own nothing and so can switch off no guard.
-- Other names: -v database=… and -v owner=…
\set ON_ERROR_STOP on
\if :{?database}
\else
  \set database imprimatur
\endif
\if :{?owner}
\else
  \set owner imprimatur_owner
\endif
\if :{?owner_password}
\else
  DO $$ BEGIN RAISE EXCEPTION 'Give -v owner_password=…'; END $$;
\endif

SELECT format('CREATE ROLE %I', :'owner')
 WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = :'owner')
\gexec
-- Passwords stay out of the server's log.
SET log_statement = 'none';
ALTER ROLE :"owner" LOGIN PASSWORD :'owner_password'
  NOSUPERUSER NOCREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS;
RESET log_statement;

SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
 WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = :'database')
\gexec
ALTER DATABASE :"database" OWNER TO :"owner";
-- Neither strangers nor temporary tables: a temporary table could stand in the way of a real one.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;

\connect :"database"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"owner";
