-- Run once, by MySQL's own entrypoint, when the data volume is empty. A database for each service, and a user who may
-- use that one alone: nobody else's tables, no server settings, no other users.
--
-- SELECT, INSERT, UPDATE, DELETE   what the service does with its rows
-- CREATE, ALTER, INDEX             its migrations, which it runs itself when it starts
--
-- Not granted: DROP, for no service deletes a table (a migration that must is for an operator), and all that reaches
-- beyond tables: FILE, PROCESS, CREATE USER, GRANT OPTION, routines, triggers, events.
-- The users stay locked until docker-compose.yml has given them their passwords.

create database shoal_user character set utf8mb4;
create database shoal_inventory character set utf8mb4;
create database shoal_order character set utf8mb4;

create user shoal_user account lock;
create user shoal_inventory account lock;
create user shoal_order account lock;

-- In a grant, _ stands for any character unless it is escaped.
grant select, insert, update, delete, create, alter, index on `shoal\_user`.* to shoal_user;
grant select, insert, update, delete, create, alter, index on `shoal\_inventory`.* to shoal_inventory;
grant select, insert, update, delete, create, alter, index on `shoal\_order`.* to shoal_order;
