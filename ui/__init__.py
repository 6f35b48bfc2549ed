"""The window: it draws and asks. What it shows is held by the session, what it knows by `core`."""
