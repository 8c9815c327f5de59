"""What the black-box tests share: processes, SMTP and AMQP clients, brokers, the daemon."""
