"""The durable log on Redis: every key, every Lua script, and the embedded server. The only door through which `redis`
enters the core."""
