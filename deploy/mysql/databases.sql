-- Written by `npm run deploy` from what the services say of themselves in their package.json: a database for each of those that
-- keep state, and a user who may use that one alone: nobody else's tables, no server settings, no other users. Docker Compose
-- runs it at each "up". It takes nothing away, so that it may be run again and again.
--
-- SELECT, INSERT, UPDATE, DELETE   what the service does with its rows
-- CREATE, ALTER, INDEX             its migrations, which it runs itself when it starts
--
-- Not granted: DROP, for no service deletes a table (a migration that must is for an operator), and all that reaches beyond
-- tables: FILE, PROCESS, CREATE USER, GRANT OPTION, routines, triggers, events. In a grant, _ stands for any character unless
-- it is escaped.
--
-- A user is locked until it has a password. Docker Compose sets it; elsewhere do it yourself:
-- alter user shoal_... identified by '...' account unlock;

create database if not exists shoal_user character set utf8mb4;
create user if not exists shoal_user account lock;
grant select, insert, update, delete, create, alter, index on `shoal\_user`.* to shoal_user;

create database if not exists shoal_inventory character set utf8mb4;
create user if not exists shoal_inventory account lock;
grant select, insert, update, delete, create, alter, index on `shoal\_inventory`.* to shoal_inventory;

create database if not exists shoal_order character set utf8mb4;
create user if not exists shoal_order account lock;
grant select, insert, update, delete, create, alter, index on `shoal\_order`.* to shoal_order;
