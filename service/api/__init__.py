"""HTTP: routes, guards, problem documents. HTTP words exist only here."""
