// SPDX-License-Identifier: Apache-2.0

// A worker on AMQP 0-9-1 (RabbitMQ) with amqp091-go.
package main

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"example.org/lsmtpd-workers/mail"
)

// Quorum queues count; classic ones say no more than "again".
func attemptOf(d *amqp.Delivery) (int, bool) {
	switch count := d.Headers["x-delivery-count"].(type) {
	case int64:
		return int(count) + 1, false
	case int32:
		return int(count) + 1, false
	}
	if d.Redelivered {
		return 2, true
	}
	return 1, false
}

func handle(ctx context.Context, options *mail.Options, d *amqp.Delivery) error {
	attempt, last := attemptOf(d)
	switch options.Judge(ctx, mail.Delivery{Body: d.Body, AMQPID: d.MessageId, Properties: d.Headers, Attempt: attempt, Last: last}) {
	case mail.Done:
		if err := d.Ack(false); err != nil {
			return err
		}
		options.Acknowledged()
		return nil
	case mail.Retry:
		return d.Nack(false, true)
	}
	return d.Reject(false)
}

func main() {
	options, ctx := mail.Parse()
	options.KeepConsuming(ctx, func(connected func()) error {
		connection, err := amqp.Dial(options.URL)
		if err != nil {
			return err
		}
		defer connection.Close()
		channel, err := connection.Channel()
		if err != nil {
			return err
		}
		defer channel.Close() // gives back the messages that were prefetched
		lost := channel.NotifyClose(make(chan *amqp.Error, 1))
		if err := channel.Qos(options.Prefetch, 0, false); err != nil {
			return err
		}
		deliveries, err := channel.Consume(options.Queue, "worker", false, false, false, false, nil)
		if err != nil {
			return err
		}
		connected()
		for {
			select {
			case <-ctx.Done():
				return nil
			default: // a message that has come must not win over the end
			}
			select {
			case <-ctx.Done():
				return nil
			case d, open := <-deliveries:
				if !open {
					select {
					case reason := <-lost:
						return fmt.Errorf("lost: %w", reason)
					default:
						return errors.New("the broker ended the subscription")
					}
				}
				if err := handle(ctx, options, &d); err != nil {
					return err
				}
			}
		}
	})
}
