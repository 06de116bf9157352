"""HTTP: routes, what stands before them, problem documents. HTTP words exist only here."""
