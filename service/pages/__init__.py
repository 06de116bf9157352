"""The web page: what people see of runs, alerts, monitors and settings in a browser, rendered here."""
