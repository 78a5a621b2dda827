# What we use of yoyo, which comes without types.
from yoyo.migrations import read_migrations as read_migrations
