"""How a monitor is served: API, durable log in Redis Streams, workers, archive, alerts, supervisor.

Edges (`api`, `redis_log`, `archive`, `worker`, `alerts`) → `core` → `ports` → `errors`; `app` is the one composition
root. Never torch, never `induction`. Importing this package opens nothing and reads nothing.
"""
