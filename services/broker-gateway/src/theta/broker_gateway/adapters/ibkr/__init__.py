"""The broker session over a TWS client library: the only package that knows one."""
