"""An own service in virtual time: its ASGI application on the loop of the simulation."""
