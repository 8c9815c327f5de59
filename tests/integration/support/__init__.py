"""Shared parts of the black-box tests: processes, SMTP and AMQP clients, brokers, the daemon."""
