DROP INDEX users_blocked;
