-- The two roles of an installation on PostgreSQL, and its database. Run by a superuser; run again,
-- it changes nothing but the passwords:
--
--   psql -v ON_ERROR_STOP=1 -v owner_password=… -v application_password=… -f docker/roles.sql
--
-- The owner migrates and owns every table. The application owns nothing, so it can switch off no
-- guard; what it may do on each table is granted by every migration. Another name for the database:
-- -v database=… (and -v owner=…, -v application=… for the roles).
\set ON_ERROR_STOP on
\if :{?database}
\else
  \set database imprimatur
\endif
\if :{?owner}
\else
  \set owner imprimatur_owner
\endif
\if :{?application}
\else
  \set application imprimatur_app
\endif
\if :{?owner_password}
\else
  DO $$ BEGIN RAISE EXCEPTION 'Give -v owner_password=…'; END $$;
\endif
\if :{?application_password}
\else
  DO $$ BEGIN RAISE EXCEPTION 'Give -v application_password=…'; END $$;
\endif

SELECT format('CREATE ROLE %I', name)
  FROM unnest(ARRAY[:'owner', :'application']) AS name
 WHERE NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = name)
\gexec
-- Passwords stay out of the server's log.
SET log_statement = 'none';
ALTER ROLE :"owner" LOGIN PASSWORD :'owner_password'
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
ALTER ROLE :"application" LOGIN PASSWORD :'application_password'
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
RESET log_statement;

-- Nobody may act as the owner: membership would be ownership.
SELECT format('REVOKE %I FROM %I', :'owner', (:'application')::text)
  FROM pg_auth_members
 WHERE roleid = to_regrole(quote_ident(:'owner')) AND member = to_regrole(quote_ident(:'application'))
\gexec

SELECT format('CREATE DATABASE %I OWNER %I', :'database', :'owner')
 WHERE NOT EXISTS (SELECT 1 FROM pg_database WHERE datname = :'database')
\gexec
ALTER DATABASE :"database" OWNER TO :"owner";
-- Neither strangers nor temporary tables: a temporary table could stand in the way of a real one.
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"database" TO :"application";

\connect :"database"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
ALTER SCHEMA public OWNER TO :"owner";
GRANT USAGE ON SCHEMA public TO :"application";
