# SPDX-License-Identifier: Apache-2.0
"""What the black-box tests share: processes, SMTP and AMQP clients, brokers, the daemon."""
