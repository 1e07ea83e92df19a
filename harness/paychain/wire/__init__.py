"""Bytes on a connection: the HTTP/1.1 server and client the mock links speak."""
